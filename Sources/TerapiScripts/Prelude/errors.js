(function (host) {
    'use strict';
    host.ActionError = class ActionError extends Error {
        constructor(payload) {
            super(typeof payload?.message === 'string' ? payload.message : '');
            this.name = 'ActionError';
            this.type = 'action_script_runtime_error';
            if (payload !== undefined) this.payload = payload;
        }
    };

    /// The shape of a failed request that scripts know from axios.
    host.responseError = (request, response) => {
        const error = new Error(`Request failed with status code ${response.status}`);
        error.name = 'RequestError';
        error.code = response.status >= 500 ? 'ERR_BAD_RESPONSE' : 'ERR_BAD_REQUEST';
        error.status = response.status;
        error.request = request;
        error.response = response;
        return error;
    };

    host.responseOf = (error) => {
        if (error.response === undefined || typeof error.request !== 'string') return undefined;
        const { status, data } = error.response;
        const text = typeof data === 'string' ? data : JSON.stringify(data) ?? '';
        return { request: error.request, status, data: text.length > 2000 ? text.slice(0, 2000) : data };
    };
})
