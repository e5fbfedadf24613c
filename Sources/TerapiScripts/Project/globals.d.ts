// What is around a script besides the language. Written by `terapi init`.

interface Console {
    debug(...values: unknown[]): void;
    error(...values: unknown[]): void;
    info(...values: unknown[]): void;
    log(...values: unknown[]): void;
    warn(...values: unknown[]): void;
}
declare const console: Console;
declare const global: typeof globalThis;

declare function setTimeout(callback: (...values: any[]) => unknown, milliseconds?: number, ...values: any[]): any;
declare function setInterval(callback: (...values: any[]) => unknown, milliseconds?: number, ...values: any[]): any;
declare function setImmediate(callback: (...values: any[]) => unknown, ...values: any[]): any;
declare function clearTimeout(timer: any): void;
declare function clearInterval(timer: any): void;
declare function clearImmediate(timer: any): void;
declare function queueMicrotask(callback: () => unknown): void;
declare function structuredClone<T>(value: T): T;
declare function atob(text: string): string;
declare function btoa(text: string): string;
declare const performance: { readonly timeOrigin: number; now(): number };

declare class Blob {
    constructor(parts?: Iterable<string | ArrayBuffer | ArrayBufferView | Blob>, options?: { type?: string });
    readonly size: number;
    readonly type: string;
    arrayBuffer(): Promise<ArrayBuffer>;
    slice(start?: number, end?: number, type?: string): Blob;
    text(): Promise<string>;
}

declare class File extends Blob {
    constructor(
        parts: Iterable<string | ArrayBuffer | ArrayBufferView | Blob>, name: string,
        options?: { type?: string; lastModified?: number });
    readonly lastModified: number;
    readonly name: string;
}

declare class FormData implements Iterable<[string, string | File]> {
    append(name: string, value: string | Blob, fileName?: string): void;
    delete(name: string): void;
    entries(): IterableIterator<[string, string | File]>;
    forEach(callback: (value: string | File, name: string, form: FormData) => void): void;
    get(name: string): string | File | null;
    getAll(name: string): (string | File)[];
    has(name: string): boolean;
    keys(): IterableIterator<string>;
    set(name: string, value: string | Blob, fileName?: string): void;
    values(): IterableIterator<string | File>;
    [Symbol.iterator](): IterableIterator<[string, string | File]>;
}

declare class URLSearchParams implements Iterable<[string, string]> {
    constructor(init?: string | URLSearchParams | { [name: string]: string } | Iterable<readonly [string, string]>);
    readonly size: number;
    append(name: string, value: string): void;
    delete(name: string, value?: string): void;
    entries(): IterableIterator<[string, string]>;
    forEach(callback: (value: string, name: string, params: URLSearchParams) => void): void;
    get(name: string): string | null;
    getAll(name: string): string[];
    has(name: string, value?: string): boolean;
    keys(): IterableIterator<string>;
    set(name: string, value: string): void;
    sort(): void;
    toString(): string;
    values(): IterableIterator<string>;
    [Symbol.iterator](): IterableIterator<[string, string]>;
}

declare class URL {
    constructor(url: string | URL, base?: string | URL);
    static canParse(url: string | URL, base?: string | URL): boolean;
    static parse(url: string | URL, base?: string | URL): URL | null;
    hash: string;
    host: string;
    hostname: string;
    href: string;
    readonly origin: string;
    password: string;
    pathname: string;
    port: string;
    protocol: string;
    search: string;
    readonly searchParams: URLSearchParams;
    username: string;
    toJSON(): string;
    toString(): string;
}

type BufferEncoding = 'utf8' | 'utf-8' | 'hex' | 'base64' | 'base64url' | 'latin1' | 'binary' | 'ascii';
declare class Buffer extends Uint8Array {
    static alloc(size: number, fill?: string | number | Uint8Array, encoding?: BufferEncoding): Buffer;
    static allocUnsafe(size: number): Buffer;
    static byteLength(value: string | ArrayBuffer | ArrayBufferView, encoding?: BufferEncoding): number;
    static concat(list: readonly Uint8Array[], length?: number): Buffer;
    static from(text: string, encoding?: BufferEncoding): Buffer;
    static from(bytes: ArrayBuffer | Uint8Array | Iterable<number> | ArrayLike<number>): Buffer;
    static isBuffer(value: unknown): value is Buffer;
    equals(other: Uint8Array): boolean;
    toString(encoding?: BufferEncoding, start?: number, end?: number): string;
}

declare class TextEncoder {
    readonly encoding: string;
    encode(text?: string): Uint8Array;
}

declare class TextDecoder {
    constructor(encoding?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
    readonly encoding: string;
    decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}

declare class Event {
    constructor(type: string, init?: { bubbles?: boolean; cancelable?: boolean });
    readonly type: string;
    readonly target: EventTarget | null;
    readonly defaultPrevented: boolean;
    preventDefault(): void;
}

declare class EventTarget {
    addEventListener(type: string, listener: ((event: Event) => void) | null, options?: boolean | { once?: boolean }): void;
    dispatchEvent(event: Event): boolean;
    removeEventListener(type: string, listener: ((event: Event) => void) | null): void;
}

declare class DOMException extends Error {
    constructor(message?: string, name?: string);
    readonly code: number;
}

declare class AbortSignal extends EventTarget {
    static abort(reason?: unknown): AbortSignal;
    static any(signals: Iterable<AbortSignal>): AbortSignal;
    static timeout(milliseconds: number): AbortSignal;
    readonly aborted: boolean;
    readonly reason: any;
    onabort: ((event: Event) => void) | null;
    throwIfAborted(): void;
}

declare class AbortController {
    readonly signal: AbortSignal;
    abort(reason?: unknown): void;
}

type HeadersInit = Headers | { [name: string]: string } | Iterable<readonly [string, string]>;
declare class Headers implements Iterable<[string, string]> {
    constructor(init?: HeadersInit);
    append(name: string, value: string): void;
    delete(name: string): void;
    entries(): IterableIterator<[string, string]>;
    forEach(callback: (value: string, name: string, headers: Headers) => void): void;
    get(name: string): string | null;
    has(name: string): boolean;
    keys(): IterableIterator<string>;
    set(name: string, value: string): void;
    values(): IterableIterator<string>;
    [Symbol.iterator](): IterableIterator<[string, string]>;
}

type BodyInit = string | URLSearchParams | ArrayBuffer | ArrayBufferView | null;
interface RequestInit {
    method?: string;
    headers?: HeadersInit;
    body?: BodyInit;
    signal?: AbortSignal | null;
    redirect?: 'follow' | 'error' | 'manual';
}

interface Body {
    readonly bodyUsed: boolean;
    arrayBuffer(): Promise<ArrayBuffer>;
    json(): Promise<any>;
    text(): Promise<string>;
}

interface Request extends Body {}
declare class Request {
    constructor(input: string | URL | Request, init?: RequestInit);
    readonly headers: Headers;
    readonly method: string;
    readonly url: string;
}

interface Response extends Body {}
declare class Response {
    constructor(body?: BodyInit, init?: { status?: number; statusText?: string; headers?: HeadersInit });
    readonly headers: Headers;
    readonly ok: boolean;
    readonly status: number;
    readonly statusText: string;
    readonly url: string;
}

/** A request without the connection's credentials; only public addresses. */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

declare const crypto: {
    getRandomValues<T extends ArrayBufferView>(array: T): T;
    randomUUID(): string;
    readonly subtle: { digest(algorithm: string | { name: string }, data: ArrayBuffer | ArrayBufferView): Promise<ArrayBuffer> };
};

declare module 'crypto' {
    interface Hash {
        update(data: string | ArrayBuffer | ArrayBufferView, encoding?: BufferEncoding): this;
        digest(): Buffer;
        digest(encoding: BufferEncoding): string;
    }
    export function createHash(algorithm: string): Hash;
    export function createHmac(algorithm: string, key: string | ArrayBuffer | ArrayBufferView): Hash;
    export function randomBytes(size: number): Buffer;
    export function randomInt(maximum: number): number;
    export function randomInt(minimum: number, maximum: number): number;
    export function randomUUID(): string;
    export function timingSafeEqual(left: ArrayBufferView, right: ArrayBufferView): boolean;
    const module: {
        createHash: typeof createHash;
        createHmac: typeof createHmac;
        randomBytes: typeof randomBytes;
        randomInt: typeof randomInt;
        randomUUID: typeof randomUUID;
        timingSafeEqual: typeof timingSafeEqual;
    };
    export default module;
}

declare module 'url' {
    const URLClass: typeof URL;
    const URLSearchParamsClass: typeof URLSearchParams;
    export { URLClass as URL, URLSearchParamsClass as URLSearchParams };
    export function parse(url: string, parseQueryString?: boolean): any;
    export function format(url: unknown): string;
    export function resolve(from: string, to: string): string;
}

declare module 'buffer' {
    const BufferClass: typeof Buffer;
    export { BufferClass as Buffer };
}

declare module 'node:crypto' {
    export * from 'crypto';
    export { default } from 'crypto';
}
declare module 'node:url' {
    export * from 'url';
}
declare module 'node:buffer' {
    export * from 'buffer';
}
