// The way to call something off.
(function (host) {
    'use strict';
    let abort;
    const mayConstruct = {};

    class AbortSignal extends EventTarget {
        #reason;
        #isAborted = false;
        onabort = null;
        static {
            abort = (signal, reason) => {
                if (signal.#isAborted) return;
                signal.#isAborted = true;
                signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
                const event = new Event('abort');
                signal.onabort?.(event);
                signal.dispatchEvent(event);
            };
        }

        constructor(permission) {
            if (permission !== mayConstruct) throw new TypeError('Illegal constructor');
            super();
        }

        get aborted() {
            return this.#isAborted;
        }

        get reason() {
            return this.#reason;
        }

        throwIfAborted() {
            if (this.#isAborted) throw this.#reason;
        }

        static abort(reason) {
            const signal = new AbortSignal(mayConstruct);
            abort(signal, reason);
            return signal;
        }

        static timeout(milliseconds) {
            const signal = new AbortSignal(mayConstruct);
            const reason = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
            host.setTimeout(() => abort(signal, reason), milliseconds);
            return signal;
        }

        static any(signals) {
            const signal = new AbortSignal(mayConstruct);
            for (const source of signals) {
                if (source.aborted) abort(signal, source.reason);
                else source.addEventListener('abort', () => abort(signal, source.reason), { once: true });
            }
            return signal;
        }
    }

    class AbortController {
        #signal = new AbortSignal(mayConstruct);

        get signal() {
            return this.#signal;
        }

        abort(reason) {
            abort(this.#signal, reason);
        }
    }

    host.provide({ AbortController, AbortSignal });
})
