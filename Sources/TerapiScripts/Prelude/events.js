// Events, and the way to call something off.
(function (host) {
    'use strict';

    class DOMException extends Error {
        constructor(message = '', name = 'Error') {
            super(message);
            const value = typeof name === 'string' ? name : name?.name ?? 'Error';
            Object.defineProperty(this, 'name', { value, configurable: true });
            if (name?.cause !== undefined) this.cause = name.cause;
        }

        get code() {
            return { InvalidCharacterError: 5, NotSupportedError: 9, AbortError: 20, TimeoutError: 23, DataCloneError: 25 }[this.name] ?? 0;
        }
    }

    class Event {
        #isStopped = false;
        #isPrevented = false;
        constructor(type, { bubbles = false, cancelable = false } = {}) {
            Object.assign(this, { type: String(type), bubbles, cancelable, target: null, currentTarget: null });
            this.timeStamp = performance.now();
        }

        get defaultPrevented() {
            return this.#isPrevented;
        }

        preventDefault() {
            if (this.cancelable) this.#isPrevented = true;
        }

        stopPropagation() {}

        stopImmediatePropagation() {
            this.#isStopped = true;
        }

        static isStopped(event) {
            return event.#isStopped;
        }
    }
    const { isStopped } = Event;
    delete Event.isStopped;

    class EventTarget {
        #listeners = [];

        addEventListener(type, callback, options) {
            if (callback === null || callback === undefined) return;
            if (this.#listeners.some((known) => known.type === type && known.callback === callback)) return;
            const once = typeof options === 'object' && options !== null && Boolean(options.once);
            this.#listeners.push({ type, callback, once });
            options?.signal?.addEventListener('abort', () => this.removeEventListener(type, callback), { once: true });
        }

        removeEventListener(type, callback) {
            this.#listeners = this.#listeners.filter((known) => known.type !== type || known.callback !== callback);
        }

        dispatchEvent(event) {
            event.target = this;
            event.currentTarget = this;
            for (const { type, callback, once } of [...this.#listeners]) {
                if (type !== event.type || isStopped(event)) continue;
                if (once) this.removeEventListener(type, callback);
                if (typeof callback === 'function') callback.call(this, event);
                else callback.handleEvent(event);
            }
            return !event.defaultPrevented;
        }
    }

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
            setTimeout(() => abort(signal, reason), milliseconds);
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

    host.exception = (message, name) => new DOMException(message, name);
    host.provide({ DOMException, Event, EventTarget, AbortController, AbortSignal });
})
