(function (host) {
    'use strict';
    host.ActionError = class ActionError extends Error {
        constructor(payload) {
            const message = typeof payload === 'string' ? payload : payload?.message;
            super(typeof message === 'string' ? message : '');
            this.name = 'ActionError';
            this.type = 'action_script_runtime_error';
            if (payload !== undefined) this.payload = payload;
        }
    };

    const calls = new WeakMap();

    /// The number of the call that the server refused with this error.
    host.callOf = (error) => calls.get(error);

    /// What a call is rejected with when the server refuses it.
    host.errorOf = (call, failure) => {
        const error = new Error(failure.message);
        error.name = 'TerapiError';
        error.code = failure.code;
        error.type = failure.code;
        if (failure.payload !== undefined) error.payload = failure.payload;
        calls.set(error, call);
        return error;
    };

    /// The shape of a failed request that scripts know from axios.
    host.responseError = (request, response, config) => {
        const error = new Error(`Request failed with status code ${response.status}`);
        error.name = 'AxiosError';
        error.code = response.status >= 500 ? 'ERR_BAD_RESPONSE' : 'ERR_BAD_REQUEST';
        error.status = response.status;
        error.request = request;
        error.response = response;
        error.config = config;
        const { name, message, code, status } = error;
        Object.defineProperties(error, {
            isAxiosError: { value: true },
            toJSON: { value: () => ({ name, message, code, status, config }) },
        });
        Object.defineProperty(response, 'statusText', { configurable: true, get: () => host.reasonOf(response.status) });
        return error;
    };
})
