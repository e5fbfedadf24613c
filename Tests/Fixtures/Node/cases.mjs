// Expressions whose values must be the same in a script as in Node. After a change: TZ=UTC node Tests/Fixtures/Node/answers.mjs
const text = JSON.stringify;

const samples = ['', 'a', 'ab', 'abc', 'Grüße', '漢字', '👩‍👩‍👧', 'a\u0000b', '\ud800x', 'ÿ\u0100'];
const encodings = ['utf8', 'UTF-8', 'base64', 'base64url', 'hex', 'latin1', 'binary', 'ascii', 'utf16le', 'ucs2'];

const buffers = [
    ...samples.flatMap((sample) => encodings.map((encoding) => `Buffer.from(${text(sample)}).toString('${encoding}')`)),
    ...samples.flatMap((sample) => ['latin1', 'ascii', 'utf16le'].map((encoding) => `[...Buffer.from(${text(sample)}, '${encoding}')]`)),
    ...['YQ==', 'YQ', 'YWI=', 'YWJj-_', 'YWJj+/', 'YW Jj\nZA==', 'YQ==YQ==', '=YQ', '****', 'Y', ''].flatMap((sample) => [
        `[...Buffer.from(${text(sample)}, 'base64')]`, `[...Buffer.from(${text(sample)}, 'base64url')]`,
        `Buffer.byteLength(${text(sample)}, 'base64')`,
    ]),
    ...['', 'ab', 'abc', 'AbCd', 'zz', 'aZbb', '0xff', 'ab cd', 'é1'].map((sample) => `[...Buffer.from(${text(sample)}, 'hex')]`),
    ...samples.map((sample) => `[Buffer.byteLength(${text(sample)}), Buffer.byteLength(${text(sample)}, 'hex')]`),
    'Buffer.from([0xff, 0xfe, 0x41]).toString()',
    'Buffer.from([0xe2, 0x82]).toString()',
    'Buffer.from([0xf0, 0x9f, 0x98, 0x41, 0xed, 0xa0, 0x80]).toString()',
    'Buffer.from([0xc0, 0x80, 0xf5, 0x80, 0xef, 0xbb, 0xbf]).toString()',
    "Buffer.from([0xef, 0xbb, 0xbf, 0x41]).toString().length",
    'Buffer.from([1, 256, -1, 3.7, "5"])',
    'Buffer.from({ length: 2, 0: 7, 1: 8 })',
    'Buffer.from({ type: "Buffer", data: [1, 2] })',
    'Buffer.from(JSON.parse(JSON.stringify(Buffer.from("abc")))).toString()',
    'Buffer.from(new Uint16Array([1, 258]))',
    'Buffer.from(new Uint8Array([1, 2, 3]).buffer, 1)',
    'Buffer.from(new Uint8Array([1, 2, 3]).buffer, 1, 1)',
    'const a = new Uint8Array([1, 2]); const b = Buffer.from(a.buffer); a[0] = 9; return b[0]',
    'const a = Buffer.from([1, 2]); const b = Buffer.from(a); a[0] = 9; return b[0]',
    'Buffer.from(new String("boxed")).toString()',
    'Buffer.from(5)', 'Buffer.from(null)', 'Buffer.from(undefined)', 'Buffer.from({})', 'Buffer.from("a", "rot13")',
    'Buffer.alloc(3)', 'Buffer.alloc(5, "ab")', 'Buffer.alloc(5, 1)', 'Buffer.alloc(4, "YQ==", "base64")', 'Buffer.alloc(-1)',
    'Buffer.alloc("3")', 'Buffer.allocUnsafe(3).length', 'Buffer.of(1, 2)',
    'Buffer.concat([Buffer.from("ab"), new Uint8Array([99])]).toString()', 'Buffer.concat([]).length',
    'Buffer.concat([Buffer.from("abc"), Buffer.from("def")], 4).toString()', 'Buffer.concat([Buffer.from("a")], 3)', 'Buffer.concat("a")',
    'Buffer.concat([1])',
    'Buffer.isBuffer(Buffer.alloc(1)) && !Buffer.isBuffer(new Uint8Array(1))', 'Buffer.alloc(1) instanceof Uint8Array',
    '["utf8", "UTF-8", "hex", "binary", "rot13", 5].map((name) => Buffer.isEncoding(name))',
    'Buffer.byteLength(new ArrayBuffer(7))', 'Buffer.byteLength(5)',
    '[Buffer.compare(Buffer.from("a"), Buffer.from("b")), Buffer.compare(Buffer.from("ab"), Buffer.from("a")), Buffer.compare(Buffer.from("a"), Buffer.from("a"))]',
    '[Buffer.from("a").equals(Buffer.from("a")), Buffer.from("a").equals(new Uint8Array([98]))]', 'Buffer.from("a").equals("a")',
    'Buffer.from("abcdef").compare(Buffer.from("xcd"), 1, 3, 2, 4)',
    ...['', '2', '-2', '1, 3', '1, -1', '5, 2', '0, 99'].flatMap((args) => [
        `Buffer.from("abcdef").slice(${args}).toString()`, `Buffer.from("abcdef").subarray(${args}).toString()`,
        `Buffer.from("abcdef").toString("utf8"${args && ', ' + args})`,
    ]),
    'const a = Buffer.from("abc"); a.slice(1)[0] = 120; return a.toString()',
    'Buffer.isBuffer(Buffer.from("abc").subarray(1)) && Buffer.isBuffer(Buffer.from("abc").map((byte) => byte + 1))',
    'Buffer.from("abc").map((byte) => byte + 1).toString()', 'Buffer.from("abc").toString("rot13")', 'Buffer.from("abc").toString("hex", 1, 2)',
    'Buffer.from("abc").toString(undefined, 1)', 'String(Buffer.from("abc"))', '`${Buffer.from("abc")}`', 'JSON.stringify({ a: Buffer.from("ab") })',
    '[...Buffer.from("ab").entries()]', '[...Buffer.from("ab").keys()]', '[...Buffer.from("ab")]', 'Object.keys(Buffer.from("ab"))',
    ...['"c"', '"cd"', '"x"', '99', '99, 3', '"c", 3', '"c", -4', '"c", -3', 'Buffer.from("de")', '""', '"", 99', '"63", "hex"', '"c", "utf8"', '"c", NaN', '354']
        .flatMap((args) => ['indexOf', 'lastIndexOf', 'includes'].map((name) => `Buffer.from("abcdefabc").${name}(${args})`)),
    'Buffer.from("a").indexOf({})',
    'const b = Buffer.alloc(4); return [b.write("abcdef"), b.toString()]', 'const b = Buffer.alloc(4); return [b.write("ab", 3), b]',
    'const b = Buffer.alloc(4); return [b.write("ffff", 1, "hex"), b]', 'const b = Buffer.alloc(4); return [b.write("abc", 1, 1), b]',
    'const b = Buffer.alloc(4); return [b.write("aé漢"), b]', 'const b = Buffer.alloc(3); return [b.write("ab", "utf16le"), b]',
    'const b = Buffer.alloc(4); return b.write("abc", 5)',
    'Buffer.alloc(4).fill("xy", 1)', 'Buffer.alloc(4).fill("xy", 1, 3)', 'Buffer.alloc(4).fill("")', 'Buffer.alloc(4).fill(257)',
    'Buffer.alloc(4).fill("zz", "hex")', 'Buffer.alloc(4).fill(Buffer.from([1, 2]))', 'Buffer.alloc(4).fill("a", 5)', 'Buffer.alloc(4).fill(true)',
    'const a = Buffer.alloc(4); return [Buffer.from("abc").copy(a, 2), a]', 'const a = Buffer.alloc(4); return [Buffer.from("abc").copy(a, 1, 1, 2), a]',
    'Buffer.from([1, 2, 3, 4]).swap16()', 'Buffer.from([1, 2, 3, 4]).swap32()', 'Buffer.from([1, 2, 3]).swap16()',
    ...['UInt8', 'Int8'].map((name) => `Buffer.from([200, 2]).read${name}()`),
    ...['UInt16', 'Int16', 'UInt32', 'Int32', 'Float', 'Double'].flatMap((name) => ['LE', 'BE'].map(
        (order) => `Buffer.from([200, 2, 3, 4, 5, 6, 7, 250, 9]).read${name}${order}(1)`)),
    ...['BigUInt64', 'BigInt64'].flatMap((name) => ['LE', 'BE'].map((order) => `String(Buffer.from([200, 2, 3, 4, 5, 6, 7, 250]).read${name}${order}())`)),
    ...['UIntLE', 'UIntBE', 'IntLE', 'IntBE'].flatMap((name) => [1, 3, 6].map((count) => `Buffer.from([200, 2, 3, 4, 5, 250]).read${name}(0, ${count})`)),
    ...['UInt8', 'Int8'].map((name) => `const b = Buffer.alloc(3); return [b.write${name}(100, 1), b]`),
    ...['UInt16', 'Int16', 'UInt32', 'Int32', 'Float', 'Double'].flatMap((name) => ['LE', 'BE'].map(
        (order) => `const b = Buffer.alloc(9); return [b.write${name}${order}(12345, 1), b]`)),
    ...['UIntLE', 'UIntBE', 'IntLE', 'IntBE'].map((name) => `const b = Buffer.alloc(4); return [b.write${name}(70000, 0, 3), b]`),
    'const b = Buffer.alloc(3); return [b.writeIntBE(-70000, 0, 3), b]', 'const b = Buffer.alloc(8); return [b.writeBigUInt64BE(5n), b]',
    'Buffer.alloc(2).readUInt16LE(1)', 'Buffer.alloc(2).readUInt32LE()', 'Buffer.alloc(2).readUInt8("0")', 'Buffer.alloc(2).writeUInt8(256)',
    'Buffer.alloc(2).writeInt8(-129)', 'Buffer.alloc(2).readUint16BE(0)', 'Buffer.alloc(2).readUInt8(1.5)',
    'require("buffer").Buffer === Buffer && require("node:buffer").Buffer === Buffer',
];

const texts = [
    ...samples.map((sample) => `[...new TextEncoder().encode(${text(sample)})]`),
    'new TextEncoder().encodeInto("aé漢", new Uint8Array(4))',
    'new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 65]))',
    'new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65]))',
    'new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff]))', 'new TextDecoder().decode(new Uint8Array([0xff, 65]))',
    'new TextDecoder("latin1").encoding', 'new TextDecoder("latin1").decode(new Uint8Array([0x61, 0xe9, 0xff]))',
    'new TextDecoder("utf-16le").decode(new Uint8Array([65, 0, 66, 0]))', 'new TextDecoder("rot13")', 'new TextDecoder().decode()',
    'new TextDecoder().decode(new Uint8Array([0xc3, 0xa9]).buffer)',
    'const d = new TextDecoder(); return d.decode(new Uint8Array([0xe6, 0xbc]), { stream: true }) + d.decode(new Uint8Array([0xa2]), { stream: true }) + d.decode()',
    'const d = new TextDecoder(); return [d.decode(new Uint8Array([65, 0xe6]), { stream: true }), d.decode()]',
    'btoa("abc")', 'btoa("ÿ")', 'btoa("漢")', 'atob("YWJj")', 'atob(" YW Jj ")', 'atob("YQ")', 'atob("YQ==")', 'atob("Y")', 'atob("*")', 'atob("/w==")',
    'btoa("")', 'atob("")', 'btoa(null)',
    'structuredClone({ a: [1, { b: new Date(5) }], c: new Map([[1, new Set([2])]]), d: undefined }).c.get(1).has(2)',
    'structuredClone({ a: [1, { b: new Date(5) }] })', 'structuredClone(() => 1)', 'structuredClone(Symbol())',
    'const a = { b: 1 }; a.me = a; const c = structuredClone(a); return c.me === c && c !== a', 'structuredClone(new RangeError("x")) instanceof RangeError',
    'structuredClone(new Uint8Array([1, 2]))', 'structuredClone(/a/gi).flags', 'structuredClone([1, , 3]).length', 'structuredClone(10n) === 10n',
];

const urls = [
    'https://a.example', 'HTTPS://User:Pa%20ss@A.Example:443/a/./b/../c?x=1&y=ä#frag ment', 'http://a.example:8080/%7Efoo/é', 'http://a.example/?q=a b\'"<>`',
    'http://a.example/a b"<>`{}|', 'https://a.example/#a b"<>`', 'http://127.1/', 'http://0x7f.0.0.1', 'http://[2001:DB8::1]:80/', 'http://[::ffff:1.2.3.4]/',
    'http://a.example:99999', 'http://', 'http:a.example', '//a.example', '/path', 'a:b', 'mailto:a@b.example?subject=x y', 'data:text/plain,a b#c', 'file:///a/../b',
    'file://localhost/a', 'http://a.example\\b\\c', '  https://a.example/\t\n ', 'http://a.example:/', 'https://a.example?', 'https://a.example#', 'http://a b/', 'http://a%41.example/',
    'http://bücher.example/ü', 'http://例え.テスト', 'http://a.example/..', 'http://a.example/a/..', 'http://a.example/%2e%2E/x', 'http://user@a.example/', 'http://:p@a.example', 'http://a@b@c.example/',
    'https://api.example/v1/items?filter[a]=1&b=%zz', 'javascript:alert(1)', 'urn:isbn:1', 'http://a.example/;p?q;r', 'ws://a.example:80', 'http://1.2.3.4.5', 'http://256.1.1.1', 'http://a..b', 'foo://Bar:80/a b',
    'foo:/a/../b', 'http://a.example/a?b#c?d', 'https://EXAMPLE.com./', 'http://[::1', 'http://a.example/\u0000x', 'http://a|b/', 'http://a.example/漢?漢#漢',
];
const members = '[u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, [...u.searchParams]]';
const references = ['b', '/b', '//c.example/d', '?q', '#h', '', '../x', './', 'https:d', 'http:e', '?a=b c', '..', '../../../z', 'g;x=1/../y', '\\\\f.example\\g'];

const locations = [
    ...urls.map((url) => `const u = new URL(${text(url)}); return ${members}`), ...urls.map((url) => `URL.canParse(${text(url)})`),
    ...references.map((reference) => `new URL(${text(reference)}, 'https://a.example:81/c/d/e?q=1#f').href`),
    'new URL("b", "mailto:x").href', 'new URL("x", "y")', 'new URL()', 'URL.canParse("b", "https://a.example")', 'new URL("https://a.example/b").toJSON()', 'JSON.stringify({ u: new URL("https://a.example") })',
    ...[
        ['href', 'https://b.example/x'], ['protocol', 'http'], ['protocol', 'foo'], ['username', 'a b:'], ['password', 'p@/'], ['host', 'b.example:99'], ['host', 'b.example'], ['hostname', 'c.example:1'],
        ['hostname', ''], ['port', '80a'], ['port', ''], ['port', '443'], ['port', '70000'], ['pathname', 'a b/../c'], ['pathname', '/x?y#z'], ['search', 'a=b c&d'], ['search', ''], ['search', '?'], ['hash', 'x y'], ['hash', ''],
    ].map(([name, value]) => `const u = new URL('https://a.example:8443/p?q=1#h'); u.${name} = ${text(value)}; return u.href`),
    'const u = new URL("https://a.example/?a=1"); u.searchParams.append("b", "x y"); u.searchParams.delete("a"); return u.href',
    'const u = new URL("https://a.example/?a=~%20\'"); u.searchParams.append("b", "ä&="); return u.href', 'const u = new URL("https://a.example/?a=1"); u.search = "?c=3"; return u.searchParams.get("c")',
    'const u = new URL("https://a.example/?a=1"); u.searchParams.delete("a"); return u.href', 'Object.prototype.toString.call(new URL("a:b"))',
    'require("url").URL === URL && require("node:url").URLSearchParams === URLSearchParams',
    ...['https://u:p@a.example:8080/b/c?d=1&d=2#e', '/b?c=d', 'b', 'https://a.example'].flatMap((url) => [
        `const { protocol, auth, host, port, hostname, hash, search, query, pathname, path, href } = require('url').parse(${text(url)}); return { protocol, auth, host, port, hostname, hash, search, query, pathname, path, href }`,
        `require('url').parse(${text(url)}, true).query`,
    ]),
    'require("url").resolve("https://a.example/b/c", "../d")', 'require("url").format({ protocol: "https", host: "a.example", pathname: "/b", query: { c: "d e" } })',
    'require("url").format({ protocol: "https:", hostname: "a.example", port: 81, pathname: "b", search: "x=1", hash: "y" })', 'require("url").format(new URL("https://a.example/x"))',
];

const parameters = [
    ...['""', '"?a=1&b=2&a=3"', '"a=b=c&&d"', '"a=%C3%A9+x&b=%zz"', '{ a: 1, b: "x y", c: undefined, d: null }', '[["a", 1], ["b", "ü"]]', 'new Map([["k", "v"]])', 'new URLSearchParams("a=1")', '"a=!\'()*~-._"', '{ a: ["x", "y"] }',
        '[["a"]]', 'undefined', 'null', '"a=\\ud800"', '"漢=字"', '"a+b=c%2Bd"'].flatMap((init) => [`String(new URLSearchParams(${init}))`, `[...new URLSearchParams(${init})]`]),
    ...['p.get("a")', 'p.get("x")', 'p.getAll("a")', 'p.has("b")', 'p.has("a", "3")', 'p.has("a", "9")', 'p.size', '[...p.keys()]', '[...p.values()]', '[...p.entries()]', 'const l = []; p.forEach((v, k) => l.push(k + v)); return l',
        'p.set("a", 9); return String(p)', 'p.append("a", 9); return String(p)', 'p.delete("a"); return String(p)', 'p.delete("a", "1"); return String(p)', 'p.sort(); return String(p)', 'Object.fromEntries(p)', 'p.toString()',
        'Object.prototype.toString.call(p)', 'p.set("n", null); return String(p)', 'p[Symbol.iterator] === p.entries'].map((code) => {
        const body = code.includes('return') || code.includes(';') ? code : `return ${code}`;
        return `const p = new URLSearchParams("b=2&a=1&a=3"); ${body}`;
    }),
];

const hashes = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'];
const digests = [
    ...hashes.flatMap((name) => ['hex', 'base64', 'base64url'].flatMap((form) => ['', 'abc', 'Grüße'].map((sample) => `crypto.createHash('${name}').update(${text(sample)}).digest('${form}')`))),
    ...hashes.flatMap((name) => ['hex', 'base64'].flatMap((form) => ['', 'key', 'k'.repeat(200)].map((key) => `crypto.createHmac('${name}', ${text(key)}).update('message').digest('${form}')`))),
    'crypto.createHash("SHA256").update("a").digest("hex")', 'crypto.createHash("sha256").update("a").update(Buffer.from("b")).digest()', 'crypto.createHash("rot13")', 'crypto.createHmac("rot13", "k")',
    'crypto.createHash("sha256").update("YWJj", "base64").digest("hex")', 'crypto.createHash("sha256").update(5)', 'const h = crypto.createHash("sha256"); h.digest(); return h.digest()', 'const h = crypto.createHash("sha256"); h.digest(); h.update("a")',
    'const h = crypto.createHash("sha256").update("a"); const c = h.copy(); return h.update("b").digest("hex") + c.digest("hex")', 'crypto.createHmac("sha256", Buffer.from([1, 2])).update(new Uint8Array([3])).digest("hex")',
    'crypto.createHash("sha1").update("ä", "latin1").digest("hex")', 'Buffer.isBuffer(crypto.createHash("md5").digest())', 'crypto.createHmac("sha1", "a").update("b").digest("latin1")',
    'crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("a"))', 'crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("b"))', 'crypto.timingSafeEqual(Buffer.from("a"), Buffer.from("ab"))', 'crypto.timingSafeEqual("a", "a")',
    'crypto.randomBytes(8).length', 'Buffer.isBuffer(crypto.randomBytes(1))', 'crypto.randomBytes(-1)', 'crypto.randomBytes("8")', 'crypto.randomBytes(0).length', '/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())',
    'crypto.randomUUID() === crypto.randomUUID()', 'const n = crypto.randomInt(5); return n >= 0 && n < 5', 'crypto.randomInt(3, 4)', 'const a = new Uint32Array(4); return globalThis.crypto.getRandomValues(a) === a && a.some((n) => n > 255)',
    'globalThis.crypto.getRandomValues(new Float32Array(1))', 'require("node:crypto") === require("crypto")', 'typeof globalThis.crypto.randomUUID()',
    ...['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'].map((name) => `Buffer.from(await globalThis.crypto.subtle.digest('${name}', new TextEncoder().encode('abc'))).toString('hex')`),
    'Buffer.from(await globalThis.crypto.subtle.digest({ name: "sha-256" }, new ArrayBuffer(2))).toString("hex")', 'await globalThis.crypto.subtle.digest("MD5", new Uint8Array(1))',
    'const s = globalThis.crypto.subtle; const k = await s.importKey("raw", Buffer.from("key"), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]); return Buffer.from(await s.sign("HMAC", k, Buffer.from("m"))).toString("hex")',
    'const s = globalThis.crypto.subtle; const k = await s.importKey("raw", Buffer.from("key"), { name: "HMAC", hash: { name: "SHA-1" } }, true, ["sign", "verify"]); const m = Buffer.from("m"); return [await s.verify("HMAC", k, await s.sign({ name: "HMAC" }, k, m), m), await s.verify("HMAC", k, Buffer.alloc(20), m)]',
];

const web = [
    'const h = new Headers({ "Content-Type": "a", X: 1 }); h.append("x", "2"); return [...h]', 'new Headers([["A", "b"]]).get("a")', 'new Headers({ a: "b" }).get("c")', 'const h = new Headers({ a: "b" }); h.delete("A"); return h.has("a")',
    'const h = new Headers({ a: "b" }); h.set("A", "c"); return [...h.entries()]', 'new Headers({ "a b": "c" })', 'new Headers({ a: "b\\nc" })', 'const h = new Headers(); h.append("set-cookie", "a=1"); h.append("Set-Cookie", "b=2"); return [h.getSetCookie(), [...h]]',
    '[...new Headers({ b: 1, a: 2 }).keys()]', '[...new Headers(new Headers({ b: " 1 " })).values()]', 'const l = []; new Headers({ b: 1 }).forEach((v, k) => l.push([k, v])); return l', 'Object.fromEntries(new Headers({ B: "1" }))',
    'const r = new Response("a", { status: 201, headers: { x: "y" } }); return [r.status, r.ok, r.headers.get("x"), r.headers.get("content-type"), await r.text(), r.bodyUsed]', 'await new Response("{\\"a\\":1}").json()', 'await new Response("x").json()',
    'const r = new Response("a"); await r.text(); return r.text()', 'const r = new Response("a"); const c = r.clone(); return [await r.text(), await c.text()]', 'const r = Response.json({ a: 1 }); return [r.headers.get("content-type"), await r.json()]', 'new Response(null, { status: 500 }).ok',
    '[...new Uint8Array(await new Response(Buffer.from([1, 2])).arrayBuffer())]', 'new Response("", { status: 99 })', 'const r = new Request("https://a.example/x", { method: "post", body: "b", headers: { A: "c" } }); return [r.url, r.method, r.headers.get("a"), await r.text()]',
    'new Request("/x")', 'new Request("https://a.example", { body: "a" })', 'new Request("https://a.example").method',
    'const c = new AbortController(); const l = []; c.signal.addEventListener("abort", (e) => l.push(e.type)); c.signal.onabort = () => l.push("on"); c.abort(); c.abort(); return [l.sort(), c.signal.aborted, c.signal.reason.name, c.signal.reason.message]',
    'const c = new AbortController(); c.abort("why"); return c.signal.reason', 'AbortSignal.abort().aborted', 'AbortSignal.abort().throwIfAborted()', 'new AbortSignal()', 'await new Promise((done) => AbortSignal.timeout(5).addEventListener("abort", (e) => done(e.target.reason.name)))',
    'AbortSignal.any([AbortSignal.abort("x"), new AbortController().signal]).reason', 'const c = new AbortController(); const s = AbortSignal.any([c.signal]); c.abort("y"); return s.reason', 'new AbortController().signal.reason',
    'const t = new EventTarget(); let n = 0; t.addEventListener("a", () => n++, { once: true }); t.dispatchEvent(new Event("a")); t.dispatchEvent(new Event("a")); return n', 'const t = new EventTarget(); let n = 0; const f = () => n++; t.addEventListener("a", f); t.addEventListener("a", f); t.dispatchEvent(new Event("a")); t.removeEventListener("a", f); t.dispatchEvent(new Event("a")); return n',
    'const t = new EventTarget(); let n = 0; t.addEventListener("a", { handleEvent(e) { n = e.target === t } }); t.dispatchEvent(new Event("a")); return n', 'const e = new Event("a", { cancelable: true }); e.preventDefault(); return [e.type, e.defaultPrevented]',
    'const d = new DOMException("m", "AbortError"); return [d.name, d.message, d.code, d instanceof Error]', 'await new Promise((done) => setTimeout(done, 1, "x"))', 'await new Promise((done) => setImmediate(done, "y"))', 'const t = setTimeout(() => {}, 1); clearTimeout(t); t.unref(); return typeof t.hasRef()',
    'const l = []; setTimeout(() => l.push(2), 1); const t = setTimeout(() => l.push(9), 0); clearTimeout(t); await new Promise((done) => setTimeout(done, 5)); return l', 'let n = 0; await new Promise((done) => { const t = setInterval(() => { if (++n === 3) { clearInterval(t); done(); } }, 1); }); return n',
    'const l = []; queueMicrotask(() => l.push(1)); await null; return l', 'queueMicrotask(5)', 'setTimeout("x")', 'global === globalThis', 'typeof performance.now()', 'performance.now() >= 0', 'clearTimeout(undefined)', 'clearTimeout(null)', '[typeof console.log, typeof console.table, typeof console.group]',
    'new Function("return 1")()', '(0, eval)("1 + 1")', 'const m = await Promise.resolve().then(() => require("crypto")); return typeof m.createHash',
];

// Local time is UTC in a script.
const days = [
    '2024-01-15', '2024-1-5', '2024-01', '2024', '2024/01/15', '2024.01.15', '01/15/2024', '1/5/24', '1-5-2024', '15.01.2024', '15/01/2024',
    '20240115', '2024-02-30', '2024-02-32', '2024-13-01', 'Jan 1, 2024', 'January 15, 2024', '15 Jan 2024', '15-Jan-2024', '2024 Jan 15',
    'Jan 2024', '2024 Jan', 'Jan 15', 'Mon, 15 Jan 2024', 'Monday, January 15, 2024', 'Mon Jan 15 2024', '15 Mon', 'Janvier 3 2024',
    'Sept 5 2024', '5 september 2024', '0', '1', '12', '13', '31', '32', '49', '50', '99', '100', '999', '-1', '', ' ', 'invalid', 'null', 'undefined',
    'a2024', 'foo 2024', '2024 foo', '2024-01-15 foo', '+002024-01-15', '2024-W03', '2024-015', ' 2024-01-15 ', '2024-01-15Z', '2024-01-15 UTC',
    '2024-01-15+02:00', '2024-01-15 +02:00', '1/2/3/4', '31 Feb 2024', 'May 5, 2024', '(comment) Jan 5 2024', 'Jan 5 (a (nested) one) 2024',
];
const times = [
    '10:00', '10:00:00', '10:00:00.5', '10:00:00.123456', '10:00:00,123', '10:00 PM', '10:00:00 PM', '10:00 am', '12:00 AM', '12:30 pm', '13:00 PM',
    '10 PM', '10:00PM', '24:00', '24:00:01', '25:00', '10:60', '10:00:60', '10:00:00Z', '10:00:00 Z', '10:00:00 UTC', '10:00:00 GMT', '10:00:00 EST',
    '10:00:00 PDT', '10:00:00 CET', '10:00:00 +0200', '10:00:00+0200', '10:00:00+02:00', '10:00:00 -07:30', '10:00:00 +2', '10:00:00 GMT+0200',
    '10:00:00 GMT+0200 (Central European Summer Time)', '10:00:00 UTC+2', '10:00:00 GMT-5', '1:00', '1:2:3', '10:00:00.000 +0000', '10:00:00.', '10:', '::',
];
const dates = [
    ...days, ...times.flatMap((time) => [`2024-01-15 ${time}`, `2024-01-15T${time}`, `Mon, 15 Jan 2024 ${time}`, `${time} 15 Jan 2024`, `1/15/2024, ${time}`]),
].map((sample) => `new Date(${text(sample)})`);
dates.push(
    'Date.parse("2024-01-15 10:00:00 UTC")', 'Date.parse()', 'Date.parse(null)', 'Date.parse(2024)', 'new Date(null)', 'new Date(undefined)', 'new Date("2024", 1)',
    'new Date(2024, 0, 31, 10)', 'new Date(99, 0)', 'new Date(new Date(5))', 'new Date(true)', 'new Date(8.64e15 + 1)', 'new Date(1e12)', 'new Date("1e12")',
    'new Date(new String("2024-01-15 10:00 PM"))', 'new Date({ toString: () => "Jan 2024" })', 'new Date({ valueOf: () => 5 })', 'new Date([2024, 1])',
    'typeof Date()', 'Date.length', 'Date.name', 'new Date(0) instanceof Date', 'new Date(0).constructor === Date', 'Object.prototype.toString.call(new Date())',
    'class D extends Date {}; return [new D("Jan 2024"), new D(5) instanceof D]', 'Date.UTC(2024, 0)', 'structuredClone(new Date(5))', 'typeof Date.now()',
    'Object.keys(Date)', 'Date.prototype === new Date().constructor.prototype', 'Reflect.construct(Date, ["Jan 2024"])', 'new Date("x").getTime()',
    'new Date("x").toISOString()', 'JSON.stringify({ d: new Date("x") })', 'String(new Date("x"))', 'new Date(0).toString()', 'new Date(0).toUTCString()',
    ...["'en-US'", "'en-GB'", "'de-DE'", "'sv-SE'", "'en-CA'", "undefined", "[]", "['en-CA']"].flatMap((locale) => [
        `new Date(86400000).toLocaleDateString(${locale})`, `new Date(86400000).toLocaleDateString(${locale}, { timeZone: 'America/New_York' })`,
        `new Date(0).toLocaleDateString(${locale}, { year: 'numeric', month: '2-digit', day: '2-digit' })`,
        `new Intl.DateTimeFormat(${locale}, { timeZone: 'Asia/Tokyo', year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date(0))`,
        `new Date(0).toLocaleDateString(${locale}, { month: 'long', day: 'numeric', year: 'numeric' })`,
    ]),
    "new Date(0).toLocaleString('sv-SE')", "new Date(0).toLocaleString('de-DE', { timeZone: 'Europe/Berlin' })", "Intl.DateTimeFormat('en-CA').format(0)",
    "new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(0).map((part) => part.type).join()",
    "Intl.DateTimeFormat().resolvedOptions().timeZone", "new Intl.DateTimeFormat('en-CA') instanceof Intl.DateTimeFormat",
);

// A body with the boundary, which is random, as "B".
const sent = (code) => `const f = new FormData(); ${code}; const r = new Response(f); const t = await r.text(); const [type, b] = r.headers.get("content-type").split("; boundary="); return [type, t.replaceAll(b, "B").trimEnd()]`;

const forms = [
    'const b = new Blob(["a", Buffer.from("b"), new Blob(["ü"])], { type: "Text/Plain" }); return [b.size, b.type, await b.text()]', 'new Blob().size', 'new Blob("ab")', 'new Blob([1, null]).text()', 'new Blob(["a"], { type: "ä" }).type',
    '[...new Uint8Array(await new Blob([new Uint16Array([1, 2])]).arrayBuffer())]', 'await new Blob(["abcdef"]).slice(1, -2, "x/y").text()', 'new Blob(["abcdef"]).slice(1, 3, "X/y").type', 'await new Blob(["abc"]).slice(5).text()', 'new Blob(["abc"]).slice(2, 1).size',
    'await new Blob(["abc"]).slice(-2).text()', 'Object.prototype.toString.call(new Blob())',
    'const f = new File(["a"], "n.txt", { type: "a/b", lastModified: 5 }); return [f.name, f.lastModified, f.size, f.type, f instanceof Blob]', 'new File(["a"])', 'typeof new File([], "n").lastModified', 'Object.prototype.toString.call(new File([], "n"))',
    'const f = new FormData(); f.append("a", 1); f.append("a", null); f.append("b", "x"); return [[...f], f.get("a"), f.getAll("a"), f.has("b"), f.get("c")]', 'const f = new FormData(); f.append("a", 1); f.append("b", 2); f.append("a", 3); f.set("a", 4); f.set("c", 5); return [...f]',
    'const f = new FormData(); f.append("a", 1); f.append("a", 2); f.delete("a"); return [f.has("a"), [...f.keys()]]', 'const f = new FormData(); f.append("a", new Blob(["x"], { type: "t/u" })); const v = f.get("a"); return [v instanceof File, v.name, v.type, await v.text()]',
    'const f = new FormData(); f.append("a", new Blob(["x"]), "n.bin"); return f.get("a").name', 'const f = new FormData(); const v = new File(["x"], "o"); f.append("a", v); f.append("b", v, "p"); return [f.get("a").name, f.get("b").name]', 'new FormData().append("a")', 'new FormData().append("a", "b", "c")',
    'const l = []; const f = new FormData(); f.append("a", 1); f.forEach((v, k) => l.push([k, v])); return l', 'const f = new FormData(); f.append("a", 1); return [[...f.values()], [...f.entries()]]', 'Object.prototype.toString.call(new FormData())',
    sent('f.append("a", "b")'), sent('f.append("a", "b"); f.append("f", new Blob(["x\\ny"], { type: "Text/Plain" }), "n.txt")'), sent('f.append("f", new Blob(["x"]))'), sent('f.append("a\\nb", "c\\nd\\r\\ne\\rf")'), sent('f.append("q\\"r", new File([Buffer.from([0, 255])], "ü\\"\\n"))'), sent(''),
    'const r = new Response(new Blob(["a"], { type: "x/y" })); return [r.headers.get("content-type"), await r.text()]', 'new Response(new Blob(["a"])).headers.get("content-type")', 'const b = await new Response("a", { headers: { "content-type": "x/y" } }).blob(); return [b.type, await b.text()]',
    'new Request("https://a.example", { method: "POST", headers: { "content-type": "own" }, body: new FormData() }).headers.get("content-type")',
];

export const cases = { Buffer: buffers, text: texts, URL: locations, URLSearchParams: parameters, crypto: digests, web, Date: dates, forms };
