// Events, and errors with the names that the web gives them.
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

    host.exception = (message, name) => new DOMException(message, name);
    host.provide({ DOMException, Event, EventTarget });
})
