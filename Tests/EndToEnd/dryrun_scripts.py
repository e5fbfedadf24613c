"""Scripts for test_dryrun.py: what each does, what the provider answers, and what must come out."""

import dataclasses


class Turns(list):
    """Answers of one request each."""


@dataclasses.dataclass
class Case:
    name: str
    kind: str
    source: str
    #: "GET /path?query" or "GET /path": a body, or (status, headers, body), or Turns of such.
    answers: dict = dataclasses.field(default_factory=dict)
    #: Files of the command line: input, connection, metadata, checkpoint, token, variables, provider_paginate.
    files: dict = dataclasses.field(default_factory=dict)
    arguments: list = dataclasses.field(default_factory=list)
    #: Members of the document, as they must be.
    expect: dict = dataclasses.field(default_factory=dict)
    #: Requests that the provider must have seen, in order: "GET /path?query", then perhaps headers and a body.
    sent: list | None = None
    #: Further files of the folder of integrations.
    beside: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        return self.name


MODELS = "const Item = z.object({ id: z.string(), name: z.string().optional() });"


def sync(name, body, head="", more="", **rest):
    source = f"""
import {{ createSync }} from 'nango';
import type {{ ProxyConfiguration }} from 'nango';
import * as z from 'zod';
{head}
{MODELS}
const sync = createSync({{
    description: 'A sync', version: '1.0.0', frequency: 'every hour', autoStart: true, syncType: 'full',
    endpoints: [{{ method: 'GET', path: '/items' }}], models: {{ Item }}, scopes: ['read'], {more}
    exec: async (nango) => {{
{body}
    }},
}});
export type NangoSyncLocal = Parameters<(typeof sync)['exec']>[0];
export default sync;
"""
    return Case(name, "sync", source, **rest)


def action(name, body, head="", more="", **rest):
    source = f"""
import {{ createAction, ProxyConfiguration }} from 'nango';
import {{ z }} from 'zod';
{head}
const action = createAction({{
    description: 'An action', version: '1.0.0', scopes: [], {more}
    input: z.object({{ id: z.string() }}), output: z.any(),
    exec: async (nango, input): Promise<any> => {{
{body}
    }},
}});
export default action;
"""
    return Case(name, "action", source, **rest)


def items(*ids):
    return [{"id": str(id)} for id in ids]


def pages(paginate, config=""):
    return f"""
        const config: ProxyConfiguration = {{ endpoint: '/items', {config} paginate: {paginate} }};
        for await (const page of nango.paginate(config)) await nango.batchSave(page, 'Item');
"""


def saves(*ids):
    return {"saved": {"Item": items(*ids)}, "error": None}


def returns(value):
    return {"output": value, "error": None}


def call(expression):
    return f"const response = await nango.{expression}; return response.data;"


def fails(type, message, **rest):
    return {"error": {"type": type, "message": message, **rest}}


LINK = "<http://elsewhere.example/items?page=2>; rel=\"next\", <http://elsewhere.example/items?page=9>; rel=\"last\""

CASES = [
    # Pagination
    sync("link in a header",
         pages("{ type: 'link', link_rel_in_response_header: 'next', limit_name_in_request: 'per_page', limit: 2 }"),
         answers={"GET /items?per_page=2": (200, {"link": LINK}, items(1, 2)), "GET /items?page=2": items(3)},
         expect=saves(1, 2, 3), sent=["GET /items?per_page=2", "GET /items?page=2"]),
    sync("link in the body",
         pages("{ type: 'link', link_path_in_response_body: 'meta.next', response_path: 'data' }"),
         answers={"GET /items": {"data": items(1), "meta": {"next": "/items?after=1"}},
                  "GET /items?after=1": {"data": items(2), "meta": {"next": None}}},
         expect=saves(1, 2)),
    sync("cursor in the query",
         pages("{ type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'after', response_path: 'rows' }"),
         answers={"GET /items": {"rows": items(1), "next": "abc="}, "GET /items?after=abc%3D": {"rows": items(2)}},
         expect=saves(1, 2)),
    sync("cursor in the body of a POST",
         pages("{ type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'page.cursor', response_path: 'rows' }",
               "method: 'POST', data: { filter: 1 },"),
         answers={"POST /items": Turns([{"rows": items(1), "next": 7}, {"rows": items(2), "next": ""}])}, expect=saves(1, 2),
         sent=[("POST /items", {}, {"filter": 1}), ("POST /items", {}, {"filter": 1, "page": {"cursor": 7}})]),
    sync("offset by the size of the answer",
         pages("{ type: 'offset', offset_name_in_request: 'skip', response_path: 'rows', limit: 2, limit_name_in_request: 'take' }"),
         answers={"GET /items?take=2&skip=0": {"rows": items(1, 2)}, "GET /items?take=2&skip=2": {"rows": items(3)}},
         expect=saves(1, 2, 3)),
    sync("offset by pages",
         pages("{ type: 'offset', offset_name_in_request: 'page', offset_start_value: 1, offset_calculation_method: 'per-page', limit: 1 }"),
         answers={"GET /items?page=1": items(1), "GET /items?page=2": items(2), "GET /items?page=3": []},
         expect=saves(1, 2)),
    sync("the provider's own pagination", pages("{ limit: 50, response_path: 'results' }"),
         files={"provider_paginate": {"type": "cursor", "cursor_path_in_response": "paging.next.after",
                                      "cursor_name_in_request": "after", "limit_name_in_request": "limit"}},
         answers={"GET /items?limit=50": {"results": items(1), "paging": {"next": {"after": "x"}}},
                  "GET /items?limit=50&after=x": {"results": items(2)}},
         expect=saves(1, 2)),
    sync("on_page",
         """
         const seen: unknown[] = [];
         for await (const page of nango.paginate({ endpoint: '/items', paginate: {
             type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'c', response_path: 'rows',
             on_page: async ({ nextPageParam, response }) => { seen.push([nextPageParam ?? null, response.status]); },
         } })) await nango.batchSave(page, 'Item');
         await nango.saveCheckpoint({ seen: JSON.stringify(seen) });
         """,
         answers={"GET /items": {"rows": items(1), "next": "b"}, "GET /items?c=b": {"rows": items(2)}},
         expect={**saves(1, 2), "checkpoint": {"seen": '[["b",200],[null,200]]'}}),

    # Requests
    action("get", call("get({ endpoint: '/a', retries: 3 })"), answers={"GET /a": {"x": 1}}, expect=returns({"x": 1}),
           sent=["GET /a"]),
    action("no slash, own query, params beside it",
           call("get({ endpoint: 'a/b?x=1&y=2', params: { y: 3, z: undefined, list: ['p', 'q'] } })"),
           answers={"GET /a/b": 1}, expect=returns(1), sent=["GET /a/b?x=1&y=3&list=p%2Cq"]),
    action("params as a text", call("get({ endpoint: '/a', params: 'b=1&c=two' })"), answers={"GET /a": 1},
           expect=returns(1), sent=["GET /a?b=1&c=two"]),
    action("baseUrlOverride", call("get({ endpoint: '/v2/a', baseUrlOverride: 'https://other.example/root' })"),
           answers={"GET /v2/a": 1}, expect=returns(1)),
    action("a whole URL", call("get({ endpoint: 'https://other.example/v2/a?b=1' })"), answers={"GET /v2/a?b=1": 1},
           expect=returns(1)),
    action("post keeps the bytes", call(r"post({ endpoint: '/a', data: { z: 1, a: ['é', '</'], n: null, u: undefined } })"),
           answers={"POST /a": 1}, expect=returns(1),
           sent=[("POST /a", {"content-type": "application/json"}, '{"z":1,"a":["é","</"],"n":null}'.encode())]),
    action("put", call("put({ endpoint: '/a', data: [1] })"), answers={"PUT /a": 1}, sent=[("PUT /a", {}, [1])]),
    action("patch", call("patch({ endpoint: '/a', data: {} })"), answers={"PATCH /a": 1}, sent=[("PATCH /a", {}, {})]),
    action("delete", "const { status } = await nango.delete({ endpoint: '/a' }); return { status };",
           answers={"DELETE /a": (204, {}, b"")}, expect=returns({"status": 204})),
    action("proxy", call("proxy({ method: 'POST', endpoint: '/a', data: 'raw', headers: { 'Content-Type': 'text/plain' } })"),
           answers={"POST /a": 1}, sent=[("POST /a", {"content-type": "text/plain"}, b"raw")]),
    action("headers", call("get({ endpoint: '/a', headers: { 'X-One': '1', ACCEPT: 'text/csv' } })"),
           answers={"GET /a": (200, {"content-type": "text/csv"}, b"a,b")}, expect=returns("a,b"),
           sent=[("GET /a", {"x-one": "1", "accept": "text/csv"})]),
    action("a form by URLSearchParams",
           call("post({ endpoint: '/token', data: new URLSearchParams({ a: '1 2', b: 'ä' }) })"), answers={"POST /token": 1},
           sent=[("POST /token", {"content-type": "application/x-www-form-urlencoded"}, b"a=1+2&b=%C3%A4")]),
    action("a form by its content type",
           call("post({ endpoint: '/token', headers: { 'content-type': 'application/x-www-form-urlencoded' }, data: { a: '1' } })"),
           answers={"POST /token": 1}, sent=[("POST /token", {}, b"a=1")]),
    action("GraphQL",
           """
           const query = `query ($first: Int!) { issues(first: $first) { nodes { id } } }`;
           const response = await nango.post({ endpoint: '/graphql', data: { query, variables: { first: 2 } } });
           if (response.data.errors) throw new nango.ActionError({ message: response.data.errors[0].message });
           return response.data.data.issues.nodes;
           """,
           answers={"POST /graphql": {"data": {"issues": {"nodes": items(1)}}}}, expect=returns(items(1))),
    action("a GraphQL error",
           """
           const response = await nango.post({ endpoint: '/graphql', data: { query: '{ x }' } });
           if (response.data.errors) throw new nango.ActionError({ message: response.data.errors[0].message, code: 7 });
           """,
           answers={"POST /graphql": {"errors": [{"message": "no field x"}]}},
           expect=fails("action_script_runtime_error", "no field x", payload={"message": "no field x", "code": 7})),
    action("an array of bytes",
           """
           const response = await nango.get({ endpoint: '/file', responseType: 'arraybuffer' });
           const bytes = new Uint8Array(response.data);
           return { length: bytes.length, first: bytes[0], text: new TextDecoder().decode(bytes.slice(1, 4)) };
           """,
           answers={"GET /file": (200, {"content-type": "application/pdf"}, b"\xffabc\x00")},
           expect=returns({"length": 5, "first": 255, "text": "abc"})),
    action("JSON of another type", call("get({ endpoint: '/a' })"),
           answers={"GET /a": (200, {"content-type": "text/plain"}, b'{"a":1}')}, expect=returns({"a": 1})),
    action("response headers", "const r = await nango.get({ endpoint: '/a' }); return [r.status, r.headers['x-total']];",
           answers={"GET /a": (201, {"X-Total": "5"}, 1)}, expect=returns([201, "5"])),
    action("a redirect stays at the base URL", call("get({ endpoint: '/a' })"),
           answers={"GET /a": (302, {"location": "https://elsewhere.example/b?c=1"}, b""), "GET /b?c=1": 2}, expect=returns(2)),
    action("requests at once",
           "const all = await Promise.all([1, 2, 3].map((n) => nango.get({ endpoint: `/a/${n}` }))); return all.map((r) => r.data);",
           answers={"GET /a/1": 1, "GET /a/2": 2, "GET /a/3": 3}, expect=returns([1, 2, 3])),
    action("uncontrolledFetch",
           "const r = await nango.uncontrolledFetch({ url: new URL('https://other.example/a?b=1') }); return [r.status, await r.json()];",
           answers={"GET /a?b=1": {"c": 1}}, expect=returns([200, {"c": 1}])),

    # Errors
    action("a status of 404 nobody catches", call("get({ endpoint: '/gone' })"),
           answers={"GET /gone": (404, {}, {"error": "gone"})}, expect={"output": None}),
    action("a status of 404 that is caught",
           """
           try { await nango.get({ endpoint: '/gone' }); }
           catch (error: any) { return [error.message, error.response.status, error.response.data, error.response.headers['x-a']]; }
           """,
           answers={"GET /gone": (404, {"x-a": "b"}, {"error": "gone"})},
           expect=returns(["Request failed with status code 404", 404, {"error": "gone"}, "b"])),
    action("one request however many retries",
           "try { await nango.get({ endpoint: '/busy', retries: 10 }); } catch (error: any) { return error.response.status; }",
           answers={"GET /busy": (503, {"retry-after": "30"}, b"")}, expect=returns(503), sent=["GET /busy"]),
    action("ActionError",
           "throw new nango.ActionError({ type: 'not_found', message: 'No such thing', id: input.id });",
           files={"input": {"id": "7"}},
           expect=fails("action_script_runtime_error", "No such thing",
                        payload={"type": "not_found", "message": "No such thing", "id": "7"})),
    action("an error of a nested helper",
           "return await outer(nango, 3);",
           head="""
           type Client = { get(config: ProxyConfiguration): Promise<{ data: number }> };
           const inner = (n: number): number => { if (n > 2) throw new RangeError(`too many: ${n}`); return n; };
           async function outer(client: Client, n: number): Promise<number> { return inner(n) + 1; }
           """,
           expect=fails("RangeError", "too many: 3")),
    action("a global that does not exist", "return process.env.HOME;", expect={"output": None}),
    action("undefined is no object", "const none: any = undefined; return none.member;", expect={"output": None}),

    # The connection
    action("getConnection is what it was given",
           "return await nango.getConnection();",
           files={"connection": {"connection_id": "c", "connection_config": {"a": {"b": 1}}, "credentials": {"x": None}}},
           expect=returns({"connection_id": "c", "connection_config": {"a": {"b": 1}}, "credentials": {"x": None}})),
    action("properties", "return [nango.connectionId, nango.providerConfigKey];",
           files={"connection": {"connection_id": "c7", "provider_config_key": "key"}}, expect=returns(["c7", "key"])),
    action("getMetadata is what it was given", "return await nango.getMetadata<{ a: number[] }>();",
           files={"metadata": {"a": [1, 2.5], "b": None}}, expect=returns({"a": [1, 2.5], "b": None})),
    action("updateMetadata sticks",
           "await nango.updateMetadata({ b: 2 }); const { b } = await nango.getMetadata(); return b;",
           files={"metadata": {"a": 1}}, expect={**returns(2), "metadata": {"a": 1, "b": 2}}),
    action("setMetadata replaces", "await nango.setMetadata({ b: 2 }); return await nango.getMetadata();",
           files={"metadata": {"a": 1}}, expect={**returns({"b": 2}), "metadata": {"b": 2}}),
    action("getToken", "return await nango.getToken();", files={"token": "secret"}, expect=returns("secret")),
    action("environment variables, locks, triggers",
           """
           await nango.triggerSync(nango.providerConfigKey, ['a'], nango.connectionId);
           return [await nango.getEnvironmentVariables(), await nango.tryAcquireLock({ key: 'a', ttlMs: 1000 })];
           """, expect=returns([[], True])),

    # Input and output
    action("the input is as it was given", "return input;", files={"input": {"extra": [1, {"b": None}]}},
           expect=returns({"extra": [1, {"b": None}]})),
    action("no output", "await nango.log('done');", expect=returns(None)),
    action("zodValidateInput accepts",
           "const parsed = await nango.zodValidateInput({ zodSchema: z.object({ id: z.string() }), input }); return parsed.data;",
           files={"input": {"id": "a", "more": 1}}, expect=returns({"id": "a"})),
    action("zodValidateInput refuses",
           "await nango.zodValidateInput({ zodSchema: z.object({ id: z.string() }), input });", files={"input": {"id": 1}},
           expect={"output": None}),
    action("parsing by a schema",
           "return z.object({ n: z.number().default(5), s: z.enum(['a', 'b']) }).parse({ s: 'b' });",
           expect=returns({"n": 5, "s": "b"})),

    # Syncs
    sync("the first run",
         "await nango.batchSave([{ id: 'a', name: JSON.stringify([nango.lastSyncDate, await nango.getCheckpoint()]) }], 'Item');",
         expect={"saved": {"Item": [{"id": "a", "name": "[null,null]"}]}}),
    sync("a checkpoint goes on",
         """
         const checkpoint = await nango.getCheckpoint();
         const { data } = await nango.get({ endpoint: '/items', params: { since: checkpoint?.since ?? '' } });
         await nango.batchSave(data, 'Item');
         await nango.saveCheckpoint({ since: 'b', count: data.length });
         """,
         more="checkpoint: z.object({ since: z.string() }),", files={"checkpoint": {"since": "a"}},
         answers={"GET /items?since=a": items(1)}, expect={**saves(1), "checkpoint": {"since": "b", "count": 1}}),
    sync("clearCheckpoint", "await nango.clearCheckpoint();", files={"checkpoint": {"a": 1}}, expect={"checkpoint": None}),
    sync("update and delete",
         """
         await nango.batchSave([], 'Item');
         await nango.batchUpdate([{ id: '1', name: 'x' }], 'Item');
         await nango.batchDelete([{ id: '2' }], 'Item');
         """,
         expect={"saved": {"Item": []}, "updated": {"Item": [{"id": "1", "name": "x"}]}, "deleted": {"Item": items(2)}}),
    sync("trackDeletes", "await nango.trackDeletesStart('Item'); await nango.batchSave([{ id: '1' }], 'Item'); await nango.trackDeletesEnd('Item');",
         expect={**saves(1), "tracked": {"Item": {"started": True, "ended": True}}}),
    sync("what is deleted",
         """
         await nango.trackDeletesStart('Item');
         await nango.setMergingStrategy({ strategy: 'ignore_if_modified_after' }, 'Item');
         const { deletedKeys } = await nango.trackDeletesEnd('Item');
         const older = await nango.deleteRecordsFromPreviousExecutions('Item');
         await nango.saveCheckpoint({ count: deletedKeys.length + older.deletedKeys.length });
         """,
         expect={"checkpoint": {"count": 0}, "error": None}),
    action("environment variables", "return await nango.getEnvironmentVariables();", files={"variables": {"REGION": "eu"}},
           expect={"output": [{"name": "REGION", "value": "eu"}]}),
    action("a form with a file",
           """
           const data = new FormData();
           data.append('a', new File(['b'], 'c.txt', { type: 'text/plain' }));
           return (await nango.post({ endpoint: '/upload', data })).data;
           """,
           answers={"POST /upload": {"ok": True}}, expect={"output": {"ok": True}}),
    sync("records as the script gave them", "await nango.batchSave([{ id: 1, name: undefined }, { id: 1, deep: { at: new Date(0) } }], 'Item');",
         expect={"saved": {"Item": [{"id": 1}, {"id": 1, "deep": {"at": "1970-01-01T00:00:00.000Z"}}]}}),
    sync("several saves of several models",
         "await nango.batchSave([{ id: '1' }], 'Item'); await nango.batchSave([{ id: '2' }], 'Other'); await nango.batchSave([{ id: '3' }], 'Item');",
         expect={"saved": {"Item": items(1, 3), "Other": items(2)}}),
    sync("records of this run",
         """
         await nango.batchSave([{ id: '1', name: 'one' }, { id: '2' }], 'Item');
         const found = await nango.getRecordsByIds(['1', '9'], 'Item');
         for await (const record of nango.listRecords('Item')) await nango.log(record.id);
         await nango.saveCheckpoint({ found: found.size, name: found.get('1').name });
         """,
         expect={"checkpoint": {"found": 1, "name": "one"},
                 "logs": [{"level": "info", "message": "1"}, {"level": "info", "message": "2"}]}),
    sync("a record without id", "await nango.batchSave([{ name: 'x' } as any], 'Item');",
         expect={"saved": {}, "output": None}),
    sync("logs", "await nango.log('a', { b: 1 }); await nango.log('w', { level: 'warn' }); console.error('e', { c: 1 });",
         expect={"logs": [{"level": "info", "message": "a", "meta": {"b": 1}}, {"level": "warn", "message": "w"},
                          {"level": "error", "message": 'e {"c":1}'}]}),

    # Modules
    sync("models and helpers in other files",
         "const { data } = await nango.get({ endpoint: '/items' }); await nango.batchSave(data.map(toItem), 'Item');",
         head="import { toItem } from '../mappers/to-item.js';\nimport type { Raw } from '../models.js';",
         beside={"demo/mappers/to-item.ts": "import { prefix, Raw } from '../models.js';\nexport const toItem = (raw: Raw) => ({ id: prefix + raw.id });\n",
                 "demo/models.ts": "import { z } from 'zod';\nexport const prefix = 'i';\nexport interface Raw { id: number }\nexport const Id = z.string();\n"},
         answers={"GET /items": [{"id": 1}]}, expect=saves("i1")),
    action("await import", "const { ActionError } = await import('nango'); return typeof ActionError;", expect=returns("function")),
    action("a package in CommonJS", "return tally(['a', 'b', 'a']);", head="import tally from 'tally';", expect=returns({"a": 2, "b": 1})),
    action("zod by its other names", "return [z, z4, Z.z, D].every((one) => one.string().parse('a') === 'a');",
           head="import * as Z from 'zod';\nimport D from 'zod';\nimport { z as z4 } from 'zod/v4';", expect=returns(True)),
    Case("JavaScript without imports", "action",
         "module.exports = { exec: async (nango, input) => ({ twice: input.n * 2 }) };", files={"input": {"n": 4}},
         expect=returns({"twice": 8})),
    Case("an on-event script", "on-event",
         "import { createOnEvent } from 'terapi';\nexport default createOnEvent({ description: '', event: 'post-connection-creation', exec: async (terapi) => {\n"
         "    await terapi.updateMetadata({ seen: true });\n} });\n",
         expect={"metadata": {"seen": True}, "error": None}),

    # The world inside
    action("URL", "const url = new URL('/a?b=1', 'https://x.example'); url.searchParams.set('c', 'd e'); return [url.href, URL.canParse('no')];",
           expect=returns(["https://x.example/a?b=1&c=d+e", False])),
    action("timers", "await new Promise((resolve) => setTimeout(resolve, 5)); return true;", expect=returns(True)),
    action("base 64 and text", "return [btoa('hi'), atob('aGk='), new TextEncoder().encode('é').length, structuredClone({ a: [1] })];",
           expect=returns(["aGk=", "hi", 2, {"a": [1]}])),
    action("the clock stands still",
           "const first = Date.now(); await new Promise((resolve) => setTimeout(resolve, 5)); return [Date.now() - first, new Date()];",
           arguments=["--now", "2026-01-02T03:04:05Z"], expect=returns([0, "2026-01-02T03:04:05.000Z"])),
    action("Buffer", "return [Buffer.from('é').toString('base64'), Buffer.concat([Buffer.from('a'), Buffer.from('62', 'hex')]).toString()];",
           expect=returns(["w6k=", "ab"])),
    action("bytes as a Buffer",
           "const { data } = await nango.get<Buffer>({ endpoint: '/f', responseType: 'arraybuffer' }); return [Buffer.isBuffer(data), data.toString('base64')];",
           answers={"GET /f": (200, {}, b"\x00\xff")}, expect=returns([True, "AP8="])),
    action("crypto", "return [createHash('sha256').update('a').digest('hex').slice(0, 8), crypto.randomUUID().length];",
           head="import crypto, { createHash } from 'node:crypto';", expect=returns(["ca978112", 36])),
    action("the module url", "return new URL('/a', 'https://x.example').href + fileName;",
           head="import { URL } from 'url';\nconst fileName = '';", expect=returns("https://x.example/a")),
    action("Headers and fetch",
           "const r = await fetch('https://other.example/a', { headers: new Headers({ 'X-One': '1' }) }); return [r.ok, await r.json()];",
           answers={"GET /a": {"b": 1}}, expect=returns([True, {"b": 1}])),
]
