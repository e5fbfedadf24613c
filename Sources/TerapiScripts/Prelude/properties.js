// What a script's object tells without asking the server.
(function (host) {
    'use strict';
    const { properties } = host.settings;
    host.offer({
        connectionId: properties.connectionId,
        providerConfigKey: properties.providerConfigKey,
        provider: properties.provider,
        variant: properties.variant ?? 'base',
        webhook: properties.webhook,
        lastSyncDate: properties.lastSyncDate ? new Date(properties.lastSyncDate) : null,
        ActionError: host.ActionError,
    });
})
