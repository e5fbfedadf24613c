// What integration scripts may call. Written by `terapi init`; docs/scripting.md of Terapi has an example of every call.

declare module 'terapi' {
    // Schemas are anything that follows Standard Schema, such as zod's.
    type OutputOf<S> = S extends { readonly '~standard': { readonly types?: { readonly output: infer T } | undefined } }
        ? T
        : any;
    type ModelsOf<M> = M extends readonly (infer Name extends string)[] ? { [K in Name]: any } : M;
    type RecordOf<M, K extends keyof ModelsOf<M>> = OutputOf<ModelsOf<M>[K]>;

    export type JSONValue = null | boolean | number | string | JSONValue[] | { [name: string]: JSONValue };
    /** A flat object: where a sync goes on. */
    export type Checkpoint = { [name: string]: string | number | boolean };
    export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | (string & {});
    export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

    // Requests

    export interface RequestConfiguration {
        /** A path, with or without a leading slash and a query of its own, or a whole URL. */
        endpoint: string;
        /** Members without a value are dropped, lists are joined by commas. */
        params?: string | URLSearchParams | { [name: string]: unknown };
        /** The body: an object goes as JSON, or as a form when the content type says so; texts and bytes as they are. */
        data?: unknown;
        headers?: Headers | { [name: string]: string | number | boolean | null | undefined } | Iterable<[string, string]>;
        /** How often to try again after a failure that allows it. */
        retries?: number;
        /** Statuses besides the usual ones after which to try again. */
        retryOn?: number[] | null;
        /** Headers of the answer that name the moment of the next try, or the seconds until it. */
        retryHeader?: { at?: string; after?: string };
        /** Another base URL for this request. */
        baseUrlOverride?: string;
        /** `arraybuffer` for a Buffer, `text` for a string whatever it is. */
        responseType?: 'json' | 'text' | 'arraybuffer' | (string & {});
        decompress?: boolean;
    }

    export interface MethodRequestConfiguration extends RequestConfiguration {
        method?: Method;
    }

    export interface TerapiResponse<T = any> {
        /** Parsed whenever it is JSON, else a string. */
        data: T;
        status: number;
        /** Names in lower case. */
        headers: { [name: string]: any };
    }

    /** What a request throws whose answer has a status of 400 or more. */
    export interface RequestError extends Error {
        code: string;
        status: number;
        response: TerapiResponse;
    }

    interface CommonPagination {
        /** Where the items are in the answer, such as `data.items`; the answer itself without it. */
        response_path?: string;
        /** How many items to ask for, in the parameter `limit_name_in_request`. */
        limit?: number | string;
        limit_name_in_request?: string;
        /** Whether parameters go into the body; they do for POST, PUT and PATCH. */
        in_body?: boolean;
        /** Called before a page is handed out. */
        on_page?: (page: { nextPageParam?: string | number; response: TerapiResponse }) => unknown;
    }

    export interface LinkPagination extends CommonPagination {
        type?: 'link';
        link_rel_in_response_header?: string;
        link_in_response_header?: string;
        link_path_in_response_body?: string;
    }

    export interface CursorPagination extends CommonPagination {
        type?: 'cursor';
        cursor_path_in_response?: string;
        cursor_name_in_request?: string;
    }

    export interface OffsetPagination extends CommonPagination {
        type?: 'offset';
        offset_name_in_request?: string;
        offset_start_value?: number;
        /** `by-response-size` counts items (the default), `per-page` counts pages. */
        offset_calculation_method?: 'by-response-size' | 'per-page';
    }

    export type Pagination = LinkPagination | CursorPagination | OffsetPagination;

    export interface PaginatedRequestConfiguration extends MethodRequestConfiguration {
        /** Goes over what the provider's description says of pages. */
        paginate?: Partial<LinkPagination> | Partial<CursorPagination> | Partial<OffsetPagination>;
    }

    // What scripts of every kind get

    export interface Connection {
        connection_id: string;
        provider_config_key: string;
        provider: string;
        connection_config: { [name: string]: any };
        metadata: { [name: string]: any };
        tags?: { [name: string]: string };
        credentials: { [name: string]: any };
    }

    export interface Integration {
        unique_key: string;
        provider: string;
        display_name?: string;
        custom?: { [name: string]: any };
    }

    export class ActionError<P = unknown> extends Error {
        /** The payload reaches the caller of the action. */
        constructor(payload?: P);
        readonly type: string;
        readonly payload: P;
    }

    export interface Context<Metadata = any> {
        readonly connectionId: string;
        /** The integration's key. */
        readonly providerConfigKey: string;
        readonly provider: string;
        /** `base` unless the connection has variants of a sync. */
        readonly variant: string;
        readonly ActionError: typeof ActionError;

        get<T = any>(config: RequestConfiguration): Promise<TerapiResponse<T>>;
        post<T = any>(config: RequestConfiguration): Promise<TerapiResponse<T>>;
        put<T = any>(config: RequestConfiguration): Promise<TerapiResponse<T>>;
        patch<T = any>(config: RequestConfiguration): Promise<TerapiResponse<T>>;
        delete<T = any>(config: RequestConfiguration): Promise<TerapiResponse<T>>;
        proxy<T = any>(config: MethodRequestConfiguration): Promise<TerapiResponse<T>>;
        /** Reads page after page. */
        paginate<T = any>(config: PaginatedRequestConfiguration): AsyncGenerator<T[], undefined, void>;
        /** A request without the connection's base URL and credentials. */
        uncontrolledFetch(config: {
            url: string | URL;
            method?: Method;
            headers?: { [name: string]: string };
            body?: string | null;
        }): Promise<Response>;

        getConnection(
            integration?: string,
            connectionId?: string,
            options?: { forceRefresh?: boolean; refreshToken?: boolean },
        ): Promise<Connection>;
        /** The access token or API key; the credentials as an object where there is more than one. */
        getToken(): Promise<any>;
        getMetadata<M = Metadata>(): Promise<M>;
        setMetadata(metadata: { [name: string]: any }): Promise<void>;
        /** Merges members into the metadata. */
        updateMetadata(metadata: { [name: string]: any }): Promise<void>;
        getIntegration(options?: { include?: string[] }): Promise<Integration>;
        getEnvironmentVariables(): Promise<{ name: string; value: string }[]>;
        getFlowAttributes(): Promise<any>;
        getWebhookURL(): Promise<string>;

        getCheckpoint<C = Checkpoint>(): Promise<C | null>;
        saveCheckpoint(checkpoint: Checkpoint): Promise<void>;
        clearCheckpoint(): Promise<void>;

        getRecordsByIds<T = any, I extends string | number = string | number>(ids: I[], model: string): Promise<Map<I, T>>;
        listRecords<T = any>(model: string, options?: { cursor?: string }): AsyncGenerator<T, void, void>;

        triggerAction<O = any>(integration: string, connectionId: string, action: string, input?: unknown): Promise<O>;
        triggerSync(
            integration: string,
            connectionId: string,
            sync: string | { name: string; variant?: string },
            options?: boolean | { reset?: boolean; emptyCache?: boolean },
        ): Promise<void>;
        startSync(integration: string, syncs: (string | { name: string; variant?: string })[], connectionId?: string): Promise<void>;

        /** Resolves to whether the lock is held now. */
        tryAcquireLock(lock: { key: string; ttlMs: number }): Promise<boolean>;
        releaseLock(lock: { key: string }): Promise<boolean>;
        releaseAllLocks(): Promise<void>;

        /** Throws an ActionError with the issues when the input is not valid. */
        zodValidateInput<S>(options: { zodSchema: S; input: unknown }): Promise<{ success: true; data: OutputOf<S> }>;
        log(message: unknown, ...meta: [...unknown[], { level?: LogLevel; [name: string]: any }] | unknown[]): Promise<void>;
        setLogger(logger: unknown): void;
    }

    export interface SyncContext<Models = any, Metadata = any, Point = any> extends Context<Metadata> {
        /** The start of the last run that succeeded. Prefer checkpoints. */
        readonly lastSyncDate: Date | null;
        /** In `onWebhook`: what the provider said about the event besides the payload. */
        readonly webhook?: {
            type: string; id?: string; fetch_url?: string; fetch_id?: string; from?: unknown; to?: unknown;
        };

        /** Inserts and changes. */
        batchSave<K extends keyof ModelsOf<Models>>(records: RecordOf<Models, K>[], model: K): Promise<boolean>;
        /** Merges members into records that exist. */
        batchUpdate<K extends keyof ModelsOf<Models>>(
            records: (Partial<RecordOf<Models, K>> & { id: string | number })[],
            model: K,
        ): Promise<boolean>;
        batchDelete<K extends keyof ModelsOf<Models>>(records: { id: string | number }[], model: K): Promise<boolean>;
        /** Around a full reading: what it has not seen is deleted at its end. */
        trackDeletesStart(model: keyof ModelsOf<Models>): Promise<void>;
        trackDeletesEnd(model: keyof ModelsOf<Models>): Promise<{ deletedKeys?: string[] } | void>;
        /** The older form of the same. */
        deleteRecordsFromPreviousExecutions(model: keyof ModelsOf<Models>): Promise<{ deletedKeys?: string[] } | void>;
        setMergingStrategy(
            merging: { strategy: 'override' | 'ignore_if_modified_after' },
            model: keyof ModelsOf<Models>,
        ): Promise<void>;

        /** Tells how far the first reading of what was there before has come. The times are ISO 8601. */
        reportBackfill(progress: {
            from: string;
            until: string;
            /** Everything before this has been read. */
            reached?: string;
            windows?: number;
            windows_done?: number;
            /** All of it: told to the team's backend, once. */
            finished?: boolean;
        }): Promise<void>;

        getCheckpoint<C = Point>(): Promise<C | null>;
    }

    // What a script exports

    /** Where records or an action are offered below `/v1`: `GET /contacts`, `POST /tickets/{id}/close`. */
    export type Endpoint =
        | string
        | {
              method: Method;
              path: string;
              /** Of a sync with several models. */
              model?: string;
              group?: string;
          };

    type MaybePromise<T> = T | Promise<T>;

    export interface SyncDefinition<Models, Metadata, Point> {
        description?: string;
        version?: string;
        /** `every 5 minutes`, `every hour`, `every day` …; or by the clock of a place: `0 6 * * 1-5 Europe/Berlin`. */
        frequency: string;
        /** The records that the sync saves: a schema of each by name. */
        models: Models;
        endpoint?: Endpoint;
        endpoints?: Endpoint[];
        scopes?: string[];
        metadata?: Metadata;
        checkpoint?: Point;
        /** Whether it runs as soon as a connection exists; true unless it is said otherwise. */
        autoStart?: boolean;
        syncType?: 'full' | 'incremental';
        trackDeletes?: boolean;
        /** Lets a run delete any number of records. */
        allowMassDeletion?: boolean;
        /** Fails the run at a record that is not what its model says; otherwise the log warns. */
        strict?: boolean;
        exec: (context: SyncContext<Models, OutputOf<Metadata>, OutputOf<Point>>) => MaybePromise<void>;
        webhookSubscriptions?: string[];
        onWebhook?: (context: SyncContext<Models, OutputOf<Metadata>, OutputOf<Point>>, payload: any) => MaybePromise<void>;
    }

    export interface ActionDefinition<Input, Output, Metadata, Point> {
        description?: string;
        version?: string;
        input?: Input;
        output?: Output;
        endpoint?: Endpoint;
        endpoints?: Endpoint[];
        scopes?: string[];
        metadata?: Metadata;
        checkpoint?: Point;
        exec: (context: Context<OutputOf<Metadata>>, input: OutputOf<Input>) => MaybePromise<OutputOf<Output>>;
    }

    export interface OnEventDefinition<Metadata> {
        description?: string;
        version?: string;
        event: 'post-connection-creation' | 'pre-connection-deletion' | 'validate-connection';
        metadata?: Metadata;
        /** What it throws at `validate-connection` refuses the connection. */
        exec: (context: Context<OutputOf<Metadata>>) => MaybePromise<unknown>;
    }

    export function createSync<Models, Metadata = any, Point = any>(
        definition: SyncDefinition<Models, Metadata, Point>,
    ): SyncDefinition<Models, Metadata, Point> & { type: 'sync' };
    export function createAction<Input = any, Output = any, Metadata = any, Point = any>(
        definition: ActionDefinition<Input, Output, Metadata, Point>,
    ): ActionDefinition<Input, Output, Metadata, Point> & { type: 'action' };
    export function createOnEvent<Metadata = any>(
        definition: OnEventDefinition<Metadata>,
    ): OnEventDefinition<Metadata> & { type: 'on-event' };

    // Models that ship, and functions for mappings. What is absent stays absent.

    /** A standard model, for `models`, `input` and `output`. */
    export interface StandardModel {
        readonly $ref: string;
    }
    export const models: {
        readonly [
            Name in 'activity' | 'body' | 'calendar_event' | 'comment' | 'company' | 'contact' | 'daily' | 'file' | 'sleep' | 'ticket'
        ]: StandardModel;
    };

    /** `convert(26.2, 'mi', 'm')`; throws for a unit that it does not know or that measures something else. */
    export function convert(value: unknown, from: string, to: string): number | undefined;
    export function number(value: unknown): number | undefined;
    /** An ISO 8601 text with an offset. `offset` is that of the person's own time: `+02:00`, `-14400s` or minutes. */
    export function dateTime(value: unknown, offset?: string | number | null): string | undefined;
    /** The day: cut out of a text, and computed only where there is an offset. */
    export function localDate(value: unknown, offset?: string | number | null): string | undefined;
    export function offsetMinutes(value: unknown): number | undefined;
    export function secondsBetween(start: unknown, end: unknown): number | undefined;
    export function later(start: unknown, seconds: unknown): string | undefined;
    /** Our word for the source's, whatever its case; `unknown` where the table has none. */
    export function lookup<T>(value: unknown, table: { [word: string]: T }, otherwise?: T | string): T | string | undefined;
    /** The sport of the model `activity`. */
    export function sport(value: unknown): string | undefined;
    export function person(id: unknown, name?: unknown, email?: unknown): { id?: string; name?: string; email?: string } | undefined;
    /** The text of a piece of HTML. */
    export function plainText(html: unknown): string | undefined;

    // The names by which public scripts know these types.
    export type ProxyConfiguration = PaginatedRequestConfiguration;
    export type NangoSync = SyncContext;
    export type NangoAction = Context;
}

declare module 'nango' {
    export * from 'terapi';
}
