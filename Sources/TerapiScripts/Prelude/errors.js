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
        Object.defineProperty(response, 'statusText', {
            configurable: true,
            get() {
                host.need('fetch');
                return host.reasonOf(response.status);
            },
        });
        return error;
    };

    host.responseOf = (error) => {
        if (error.response === undefined || typeof error.request !== 'string') return undefined;
        const { status, data } = error.response;
        const text = ArrayBuffer.isView(data) ? data.toString() : host.text(data);
        return { request: error.request, status, data: text.length > 2000 || ArrayBuffer.isView(data) ? text.slice(0, 2000) : data };
    };
})
