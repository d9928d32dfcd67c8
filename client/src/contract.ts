export interface paths {
    "/api/v2/housing": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The houses that match all filters
         * @description Page by page: send the `next` of one page as `cursor` to get the following one. The header `Link` has its URL. One more parameter, `fields`, names the members to return, separated by commas, such as `fields=id,postal_code`. It is not listed here, because its items are not whole houses, which generated clients expect.
         */
        get: operations["listHousing"];
        put?: never;
        /**
         * Add a house
         * @description Can be repeated safely with an `Idempotency-Key`.
         */
        post: operations["createHousing"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One house
         * @description With the `ETag` that a change needs. If `If-None-Match` names the current version, the answer is a 304. With `as_of` it is answered as it was then, without an ETag.
         */
        get: operations["getHousing"];
        /**
         * Replace a house
         * @description Needs the `ETag` of the house as `If-Match`, so that nobody else's change gets lost.
         */
        put: operations["replaceHousing"];
        post?: never;
        /**
         * Delete a house
         * @description Needs the `ETag` of the house as `If-Match`, so that nobody else's change gets lost.
         */
        delete: operations["deleteHousing"];
        options?: never;
        head?: never;
        /**
         * Change some members of a house
         * @description Needs the `ETag` of the house as `If-Match`, so that nobody else's change gets lost.
         */
        patch: operations["patchHousing"];
        trace?: never;
    };
    "/api/v2/housing/{id}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The history of a house
         * @description Newest first, page by page; also of a deleted house. Changes by SQL are in it too.
         */
        get: operations["listHousingVersions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing/{id}/versions/{version}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Restore an earlier version of a house
         * @description Makes it the newest version, under the usual `If-Match`; or brings back a deleted house, for which `If-Match` is not needed. Can be repeated safely with an `Idempotency-Key`.
         */
        post: operations["restoreHousing"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create, change and delete houses, all or none
         * @description The operations are done in their order, in one transaction: if one fails, none is done. Can be repeated safely with an `Idempotency-Key`.
         */
        post: operations["batchHousing"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * All houses that match, as a file
         * @description CSV with a header, or one JSON object in each line (NDJSON), in UTF-8 and of any length. A file that is not complete ends with a broken connection. In CSV, text that a spreadsheet would run as a formula begins with an apostrophe; an import takes it away again.
         */
        get: operations["exportHousing"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Add and change houses from a file
         * @description A file of any length in UTF-8: CSV with a header (`,`, `;` or tab between the cells, the columns in any order), or one JSON object in each line (NDJSON), also with `Content-Encoding: gzip`; or an array of at most 4 MiB. A row without `id` is a new house. A row with `id` changes that house, where `version` is given only if the house is in that version. Members that a row does not have, or that are as they are stored, stay as they are; all others must be valid as for POST and PATCH. So an export can be edited and imported again. With `Accept: application/x-ndjson`, or `text/csv` if the file is CSV, the answer is the rejected rows, with their faults: correct and import them.
         */
        post: operations["importHousing"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing/imports/{id}/apply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Apply an import after a dry run
         * @description Does what the dry run would have done, if nothing has changed since.
         */
        post: operations["applyImport"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What has changed since
         * @description Every change of a house once, in order, also those by SQL: send `next` as the following `after`. An export has the header `Feed-Position`, the `after` from which on there is whatever it lacks. With `wait` the answer waits for a change. With `Accept: text/event-stream` the changes come as Server-Sent Events (`change`) as they happen. Their `id` is the position, so a browser goes on where its connection broke; `position` says how far the feed has been searched, `bye` that the stream ends for now. A filter also lets the change pass by which a house ceases to match.
         */
        get: operations["listHousingChanges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * All housing types
         * @description They are few, so they come in one answer. It has an ETag of its own.
         */
        get: operations["listHousingTypes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v2/housing-types/{code}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One housing type
         * @description By its code.
         */
        get: operations["getHousingType"];
        /**
         * Add a housing type, or replace it
         * @description With `If-None-Match: *` it only adds, with `If-Match` it only replaces the version that is named.
         */
        put: operations["putHousingType"];
        post?: never;
        /**
         * Delete a housing type
         * @description A type that houses have cannot be deleted. With `If-Match` only the version that is named is deleted.
         */
        delete: operations["deleteHousingType"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description RFC 9457: what went wrong. */
        Problem: {
            /** Format: uri-reference */
            type: string;
            title: string;
            /** Format: int32 */
            status: number;
            /** @description What is wrong with this request, and how to fix it. */
            detail: string;
            /** Format: uri-reference */
            instance?: string;
            /** @description Stable, for programs. */
            code: string;
            request_id?: string;
            /**
             * Format: int32
             * @description The index of the failed operation in the batch, from 0.
             */
            index?: number;
            /**
             * Format: int32
             * @description With 409 and 412: the current version of the resource, if it has versions. A deletion is a version too.
             */
            current_version?: number;
            /**
             * Format: int32
             * @description Of an import: rows.
             */
            received?: number;
            /**
             * Format: int32
             * @description Of an import: rows.
             */
            created?: number;
            /**
             * Format: int32
             * @description Of an import: rows.
             */
            updated?: number;
            /**
             * Format: int32
             * @description Of an import: rows.
             */
            unchanged?: number;
            /**
             * Format: int32
             * @description Of an import: rows.
             */
            rejected?: number;
            errors?: {
                /** @description JSON Pointer into the body. */
                pointer?: string;
                /** @description Name of a parameter. */
                parameter?: string;
                /**
                 * Format: int32
                 * @description Line of a file, from 1.
                 */
                line?: number;
                /**
                 * Format: int32
                 * @description Character of the line, or cell of the row, from 1.
                 */
                column?: number;
                /** @description Column or member of a row. */
                field?: string;
                code: string;
                detail: string;
            }[];
        };
        Housing: {
            /** Format: int32 */
            id: number;
            address: string;
            street: string;
            city: string;
            postal_code: string;
            /** @description The code of its housing type. */
            housing_type: string;
            /**
             * Format: int32
             * @description Increases by one with each change.
             */
            version: number;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
        };
        /**
         * @example {
         *       "address": "735",
         *       "street": "Broughton Street",
         *       "city": "Victoria",
         *       "postal_code": "v8w3h2",
         *       "housing_type": "COP"
         *     }
         */
        HousingInput: {
            /**
             * Format: visible
             * @description House number, or name: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example 735
             */
            address: string;
            /**
             * Format: visible
             * @description Street: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example Broughton Street
             */
            street: string;
            /**
             * Format: visible
             * @description City: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example Victoria
             */
            city: string;
            /**
             * @description A Canadian postal code, such as V8W 1P6, in upper or lower case, with or without spaces or hyphens of any kind. The letters D, F, I, O, Q and U are never used, W and Z not at the start.
             * @example V8W 1P6
             */
            postal_code: string;
            /**
             * @description The code of a housing type: three capital letters.
             * @example SFD
             */
            housing_type: string;
        };
        /**
         * @description A merge patch (RFC 7396): the members to change; the others stay as they are. Its media type is application/merge-patch+json; application/json is accepted too, and means the same. No member can be removed, so null is rejected.
         * @example {
         *       "housing_type": "MFD"
         *     }
         */
        HousingPatch: {
            /**
             * Format: visible
             * @description House number, or name: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example 735
             */
            address?: string;
            /**
             * Format: visible
             * @description Street: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example Broughton Street
             */
            street?: string;
            /**
             * Format: visible
             * @description City: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example Victoria
             */
            city?: string;
            /**
             * @description A Canadian postal code, such as V8W 1P6, in upper or lower case, with or without spaces or hyphens of any kind. The letters D, F, I, O, Q and U are never used, W and Z not at the start.
             * @example V8W 1P6
             */
            postal_code?: string;
            /**
             * @description The code of a housing type: three capital letters.
             * @example SFD
             */
            housing_type?: string;
        };
        HousingPage: {
            items: components["schemas"]["Housing"][];
            /** @description The cursor of the next page; null on the last page. */
            next: string | null;
            /**
             * Format: int64
             * @description The number of all matches; only with count=exact.
             */
            total?: number;
        };
        /** @description One change of a house. `house` is the house after it; for a deletion, the house before it. */
        HousingVersion: {
            /** Format: int32 */
            version: number;
            /** Format: date-time */
            at: string;
            /** @description Who did it, such as `key:7f3a9c01`; null where callers need not say who they are. */
            by: string | null;
            /** @enum {string} */
            operation: "created" | "updated" | "deleted" | "restored";
            /** @description The members that differ from the version before. */
            changed: ("address" | "street" | "city" | "postal_code" | "housing_type")[];
            house: components["schemas"]["Housing"];
        };
        HousingVersionPage: {
            items: components["schemas"]["HousingVersion"][];
            /** @description The cursor of the next page; null on the last page. */
            next: string | null;
        };
        /** @description One change of a house. `house` is the house after it; for a deletion, the house before it. */
        HousingChange: {
            /**
             * Format: int64
             * @description Its place in the feed. Later changes have higher positions, not always the next one.
             */
            position: number;
            /** Format: date-time */
            at: string;
            /** @description Who did it, such as `key:7f3a9c01`; null where callers need not say who they are. */
            by: string | null;
            /** @enum {string} */
            operation: "created" | "updated" | "deleted" | "restored";
            /**
             * Format: int32
             * @description The id of the house.
             */
            id: number;
            /**
             * Format: int32
             * @description The version that the change made.
             */
            version: number;
            house: components["schemas"]["Housing"];
        };
        HousingChangePage: {
            items: components["schemas"]["HousingChange"][];
            /**
             * Format: int64
             * @description The `after` of the next request. As long as it grows, there may be more.
             */
            next: number;
        };
        BatchCreate: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            op: "create";
            house: components["schemas"]["HousingInput"];
        };
        BatchUpdate: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            op: "update";
            /**
             * Format: int32
             * @description The id of a house.
             * @example 17
             */
            id: number;
            /**
             * Format: int32
             * @description The version that the house must be in.
             * @example 3
             */
            version: number;
            house: components["schemas"]["HousingPatch"];
        };
        BatchDelete: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            op: "delete";
            /**
             * Format: int32
             * @description The id of a house.
             * @example 17
             */
            id: number;
            /**
             * Format: int32
             * @description The version that the house must be in.
             * @example 3
             */
            version: number;
        };
        /** @description `op` must be create, update or delete. */
        BatchOperation: components["schemas"]["BatchCreate"] | components["schemas"]["BatchUpdate"] | components["schemas"]["BatchDelete"];
        /**
         * @example {
         *       "operations": [
         *         {
         *           "op": "create",
         *           "house": {
         *             "address": "1",
         *             "street": "Centennial Square",
         *             "city": "Victoria",
         *             "postal_code": "V8W 1P6",
         *             "housing_type": "COP"
         *           }
         *         }
         *       ]
         *     }
         */
        Batch: {
            /** @description 1 to 1000 operations, done in this order. */
            operations: components["schemas"]["BatchOperation"][];
        };
        /** @description What an operation did. `house` is the house as it is now; a deletion has none. */
        BatchResult: {
            /** @enum {string} */
            op: "create" | "update" | "delete";
            /** Format: int32 */
            id: number;
            /**
             * Format: int32
             * @description The version that the operation created. A deletion counts as a version.
             */
            version: number;
            house?: components["schemas"]["Housing"];
        };
        BatchResults: {
            results: components["schemas"]["BatchResult"][];
        };
        /**
         * @description CSV (RFC 4180) with a header, in UTF-8.
         * @example address,street,city,postal_code,housing_type
         *     735,Broughton Street,Victoria,V8W 3H2,COP
         */
        CsvFile: string;
        /**
         * @description An ImportRow in each line, in UTF-8.
         * @example {"address":"735","street":"Broughton Street","city":"Victoria","postal_code":"V8W 3H2","housing_type":"COP"}
         */
        NdjsonFile: string;
        ImportRow: {
            /**
             * Format: int32
             * @description The house to change; without it, the row is a new house.
             * @example 17
             */
            id?: number;
            /**
             * Format: visible
             * @description House number, or name: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example 735
             */
            address?: string;
            /**
             * Format: visible
             * @description Street: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example Broughton Street
             */
            street?: string;
            /**
             * Format: visible
             * @description City: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example Victoria
             */
            city?: string;
            /**
             * @description A Canadian postal code, such as V8W 1P6, in upper or lower case, with or without spaces or hyphens of any kind. The letters D, F, I, O, Q and U are never used, W and Z not at the start.
             * @example V8W 1P6
             */
            postal_code?: string;
            /**
             * @description The code of a housing type: three capital letters.
             * @example SFD
             */
            housing_type?: string;
            /**
             * Format: int32
             * @description The version that the house must be in; without it, any.
             * @example 3
             */
            version?: number;
        };
        /**
         * @example [
         *       {
         *         "address": "735",
         *         "street": "Broughton Street",
         *         "city": "Victoria",
         *         "postal_code": "V8W 3H2",
         *         "housing_type": "COP"
         *       }
         *     ]
         */
        ImportRows: components["schemas"]["ImportRow"][];
        /** @description Why a row is rejected. */
        RowFault: {
            /**
             * Format: int32
             * @description The line in which the row begins; the header is line 1. In an array: the number of the item, from 1.
             */
            line: number;
            /** @description The column or member; empty if it is the row as a whole. */
            field: string;
            /** @description Stable, for programs. */
            code: string;
            detail: string;
        };
        ImportReport: {
            /** @description After a dry run: what to apply, within an hour. */
            import_id?: string;
            /**
             * Format: int32
             * @description How many rows the file has.
             */
            received: number;
            /**
             * Format: int32
             * @description How many rows are new houses.
             */
            created: number;
            /**
             * Format: int32
             * @description How many rows change a house.
             */
            updated: number;
            /**
             * Format: int32
             * @description How many rows are as they are stored.
             */
            unchanged: number;
            /**
             * Format: int32
             * @description How many rows are wrong.
             */
            rejected: number;
            /** @description The first 1000 faults, in the order of the rows. A row can have several. */
            errors: components["schemas"]["RowFault"][];
        };
        HousingType: {
            code: string;
            description: string;
        };
        /** @description All housing types: there is only one page, so `next` is always null. */
        HousingTypeList: {
            items: components["schemas"]["HousingType"][];
            /** @description The cursor of the next page; null on the last page. */
            next: string | null;
        };
        /**
         * @example {
         *       "description": "Town House"
         *     }
         */
        HousingTypeInput: {
            /**
             * Format: visible
             * @description The name of the type: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters.
             * @example Town House
             */
            description: string;
            /**
             * @description The code in the path. May be omitted.
             * @example TNH
             */
            code?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listHousing: {
        parameters: {
            query?: {
                /** @description A whole postal code, or its first three characters, such as V8W, in upper or lower case, with or without spaces or hyphens. */
                postal_code?: string;
                /** @description The whole name of the city, such as victoria, ignoring case and how accents are composed: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters. */
                city?: string;
                /** @description The beginning of the street, such as douglas, ignoring case and how accents are composed: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters. */
                street?: string;
                /** @description Codes of housing types, separated by commas, such as SFD,MFD. Matches houses of any of these types. */
                housing_type?: string;
                /** @description Only houses changed at or after this time: an RFC 3339 date-time of up to 100 characters, such as 2026-11-22T18:03:11Z. */
                updated_since?: string;
                /** @description Words to search for, such as doug vic: 1 to 100 characters. Each must begin a word of address, street or city, ignoring case and how accents are composed. Punctuation separates words. */
                q?: string;
                /** @description One of id, city, postal_code, updated_at; a leading minus sorts in descending order. */
                sort?: "id" | "-id" | "city" | "-city" | "postal_code" | "-postal_code" | "updated_at" | "-updated_at";
                /** @description The most items of a page: 1 to 1000. */
                limit?: number;
                /** @description The `next` of the previous page. It already contains the filters and the order of the list. */
                cursor?: string;
                /** @description `exact` adds `total`, the number of all matches. */
                count?: "exact";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of the list. */
            200: {
                headers: {
                    /** @description Links to the first page and, if there is one, to the next (RFC 8288). */
                    Link?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "id": 17,
                     *           "address": "735",
                     *           "street": "Broughton Street",
                     *           "city": "Victoria",
                     *           "postal_code": "V8W 3H2",
                     *           "housing_type": "COP",
                     *           "version": 3,
                     *           "created_at": "2026-11-22T18:03:11.482Z",
                     *           "updated_at": "2026-11-23T09:41:00.120Z"
                     *         }
                     *       ],
                     *       "next": null
                     *     }
                     */
                    "application/json": components["schemas"]["HousingPage"];
                };
            };
        };
    };
    createHousing: {
        parameters: {
            query?: never;
            header?: {
                /** @description Makes the request safe to repeat for 24 hours: 1 to 255 visible ASCII characters, such as a UUID. Use a new key for each new request. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "address": "735",
                 *       "street": "Broughton Street",
                 *       "city": "Victoria",
                 *       "postal_code": "v8w3h2",
                 *       "housing_type": "COP"
                 *     }
                 */
                "application/json": components["schemas"]["HousingInput"];
            };
        };
        responses: {
            /** @description The new house. */
            201: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    /** @description The URL of the new resource. */
                    Location?: string;
                    /** @description `true` if this is the stored answer to an earlier request with the same key. */
                    "Idempotency-Replayed"?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 17,
                     *       "address": "735",
                     *       "street": "Broughton Street",
                     *       "city": "Victoria",
                     *       "postal_code": "V8W 3H2",
                     *       "housing_type": "COP",
                     *       "version": 3,
                     *       "created_at": "2026-11-22T18:03:11.482Z",
                     *       "updated_at": "2026-11-23T09:41:00.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Housing"];
                };
            };
        };
    };
    getHousing: {
        parameters: {
            query?: {
                /** @description The house as it was at this time: an RFC 3339 date-time of up to 100 characters, such as 2026-11-22T18:03:11Z. */
                as_of?: string;
            };
            header?: {
                /** @description The ETags that the client already has, such as `"17-3"`. */
                "If-None-Match"?: string;
            };
            path: {
                /**
                 * @description The id of a house.
                 * @example 1
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The house. It has an ETag unless `as_of` is given. */
            200: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 17,
                     *       "address": "735",
                     *       "street": "Broughton Street",
                     *       "city": "Victoria",
                     *       "postal_code": "V8W 3H2",
                     *       "housing_type": "COP",
                     *       "version": 3,
                     *       "created_at": "2026-11-22T18:03:11.482Z",
                     *       "updated_at": "2026-11-23T09:41:00.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Housing"];
                };
            };
            /** @description The client already has the current version. */
            304: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    replaceHousing: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description The ETag of the version to change, such as `"17-3"`, or * for any. A tag that a compressing proxy weakened or suffixed counts too.
                 * @example *
                 */
                "If-Match": string;
            };
            path: {
                /**
                 * @description The id of a house.
                 * @example 1
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "address": "735",
                 *       "street": "Broughton Street",
                 *       "city": "Victoria",
                 *       "postal_code": "v8w3h2",
                 *       "housing_type": "COP"
                 *     }
                 */
                "application/json": components["schemas"]["HousingInput"];
            };
        };
        responses: {
            /** @description The house as it is now. */
            200: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 17,
                     *       "address": "735",
                     *       "street": "Broughton Street",
                     *       "city": "Victoria",
                     *       "postal_code": "V8W 3H2",
                     *       "housing_type": "COP",
                     *       "version": 3,
                     *       "created_at": "2026-11-22T18:03:11.482Z",
                     *       "updated_at": "2026-11-23T09:41:00.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Housing"];
                };
            };
        };
    };
    deleteHousing: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description The ETag of the version to change, such as `"17-3"`, or * for any. A tag that a compressing proxy weakened or suffixed counts too.
                 * @example *
                 */
                "If-Match": string;
            };
            path: {
                /**
                 * @description The id of a house.
                 * @example 1
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The house is deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    patchHousing: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description The ETag of the version to change, such as `"17-3"`, or * for any. A tag that a compressing proxy weakened or suffixed counts too.
                 * @example *
                 */
                "If-Match": string;
            };
            path: {
                /**
                 * @description The id of a house.
                 * @example 1
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "housing_type": "MFD"
                 *     }
                 */
                "application/merge-patch+json": components["schemas"]["HousingPatch"];
            };
        };
        responses: {
            /** @description The house as it is now. */
            200: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 17,
                     *       "address": "735",
                     *       "street": "Broughton Street",
                     *       "city": "Victoria",
                     *       "postal_code": "V8W 3H2",
                     *       "housing_type": "COP",
                     *       "version": 3,
                     *       "created_at": "2026-11-22T18:03:11.482Z",
                     *       "updated_at": "2026-11-23T09:41:00.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Housing"];
                };
            };
        };
    };
    listHousingVersions: {
        parameters: {
            query?: {
                /** @description The most items of a page: 1 to 1000. */
                limit?: number;
                /** @description The `next` of the previous page. It already contains the filters and the order of the list. */
                cursor?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The id of a house.
                 * @example 1
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of the history. */
            200: {
                headers: {
                    /** @description Links to the first page and, if there is one, to the next (RFC 8288). */
                    Link?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "version": 3,
                     *           "at": "2026-11-23T09:41:00.120Z",
                     *           "by": null,
                     *           "operation": "updated",
                     *           "changed": [
                     *             "housing_type"
                     *           ],
                     *           "house": {
                     *             "id": 17,
                     *             "address": "735",
                     *             "street": "Broughton Street",
                     *             "city": "Victoria",
                     *             "postal_code": "V8W 3H2",
                     *             "housing_type": "COP",
                     *             "version": 3,
                     *             "created_at": "2026-11-22T18:03:11.482Z",
                     *             "updated_at": "2026-11-23T09:41:00.120Z"
                     *           }
                     *         }
                     *       ],
                     *       "next": null
                     *     }
                     */
                    "application/json": components["schemas"]["HousingVersionPage"];
                };
            };
        };
    };
    restoreHousing: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description The ETag of the version to change, such as `"17-3"`, or * for any. A tag that a compressing proxy weakened or suffixed counts too. Not needed if the resource is deleted.
                 * @example *
                 */
                "If-Match"?: string;
                /** @description Makes the request safe to repeat for 24 hours: 1 to 255 visible ASCII characters, such as a UUID. Use a new key for each new request. */
                "Idempotency-Key"?: string;
            };
            path: {
                /**
                 * @description The id of a house.
                 * @example 1
                 */
                id: number;
                /**
                 * @description A version of the house.
                 * @example 1
                 */
                version: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The house as it is now. */
            200: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    /** @description `true` if this is the stored answer to an earlier request with the same key. */
                    "Idempotency-Replayed"?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": 17,
                     *       "address": "735",
                     *       "street": "Broughton Street",
                     *       "city": "Victoria",
                     *       "postal_code": "V8W 3H2",
                     *       "housing_type": "COP",
                     *       "version": 3,
                     *       "created_at": "2026-11-22T18:03:11.482Z",
                     *       "updated_at": "2026-11-23T09:41:00.120Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Housing"];
                };
            };
        };
    };
    batchHousing: {
        parameters: {
            query?: never;
            header?: {
                /** @description Makes the request safe to repeat for 24 hours: 1 to 255 visible ASCII characters, such as a UUID. Use a new key for each new request. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "operations": [
                 *         {
                 *           "op": "create",
                 *           "house": {
                 *             "address": "1",
                 *             "street": "Centennial Square",
                 *             "city": "Victoria",
                 *             "postal_code": "V8W 1P6",
                 *             "housing_type": "COP"
                 *           }
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["Batch"];
            };
        };
        responses: {
            /** @description What each operation did. */
            200: {
                headers: {
                    /** @description `true` if this is the stored answer to an earlier request with the same key. */
                    "Idempotency-Replayed"?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "results": [
                     *         {
                     *           "op": "create",
                     *           "id": 17,
                     *           "version": 3,
                     *           "house": {
                     *             "id": 17,
                     *             "address": "735",
                     *             "street": "Broughton Street",
                     *             "city": "Victoria",
                     *             "postal_code": "V8W 3H2",
                     *             "housing_type": "COP",
                     *             "version": 3,
                     *             "created_at": "2026-11-22T18:03:11.482Z",
                     *             "updated_at": "2026-11-23T09:41:00.120Z"
                     *           }
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["BatchResults"];
                };
            };
        };
    };
    exportHousing: {
        parameters: {
            query?: {
                /** @description A whole postal code, or its first three characters, such as V8W, in upper or lower case, with or without spaces or hyphens. */
                postal_code?: string;
                /** @description The whole name of the city, such as victoria, ignoring case and how accents are composed: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters. */
                city?: string;
                /** @description The beginning of the street, such as douglas, ignoring case and how accents are composed: 1 to 50 characters, not counting spaces at the ends. It must show something, and have no control characters. */
                street?: string;
                /** @description Codes of housing types, separated by commas, such as SFD,MFD. Matches houses of any of these types. */
                housing_type?: string;
                /** @description Only houses changed at or after this time: an RFC 3339 date-time of up to 100 characters, such as 2026-11-22T18:03:11Z. */
                updated_since?: string;
                /** @description Words to search for, such as doug vic: 1 to 100 characters. Each must begin a word of address, street or city, ignoring case and how accents are composed. Punctuation separates words. */
                q?: string;
                /** @description One of id, city, postal_code, updated_at; a leading minus sorts in descending order. */
                sort?: "id" | "-id" | "city" | "-city" | "postal_code" | "-postal_code" | "updated_at" | "-updated_at";
                /** @description csv or ndjson; without it, the header Accept decides. */
                format?: "csv" | "ndjson";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The houses. */
            200: {
                headers: {
                    /** @description Suggests a name for the file. */
                    "Content-Disposition"?: string;
                    /** @description The position after which the feed has all changes that the file lacks, and perhaps some that it has. */
                    "Feed-Position"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /** @example {"id":17,"address":"735","street":"Broughton Street","city":"Victoria","postal_code":"V8W 3H2","housing_type":"COP","version":3,"created_at":"2026-11-22T18:03:11.482Z","updated_at":"2026-11-23T09:41:00.120Z"} */
                    "application/x-ndjson": string;
                    /**
                     * @example id,address,street,city,postal_code,housing_type,version,created_at,updated_at
                     *     17,735,Broughton Street,Victoria,V8W 3H2,COP,3,2026-11-22T18:03:11.482Z,2026-11-23T09:41:00.120Z
                     */
                    "text/csv": string;
                };
            };
        };
    };
    importHousing: {
        parameters: {
            query?: {
                /** @description `abort`, the default: if a row is wrong, nothing is stored. `skip`: the other rows are stored. */
                on_error?: "abort" | "skip";
                /** @description `true`: nothing is stored. The report names an import, which can be applied within an hour. */
                dry_run?: "true" | "false";
            };
            header?: {
                /** @description Makes the request safe to repeat for 24 hours: 1 to 255 visible ASCII characters, such as a UUID. Use a new key for each new request. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example [
                 *       {
                 *         "address": "735",
                 *         "street": "Broughton Street",
                 *         "city": "Victoria",
                 *         "postal_code": "V8W 3H2",
                 *         "housing_type": "COP"
                 *       }
                 *     ]
                 */
                "application/json": components["schemas"]["ImportRows"];
                /**
                 * @example address,street,city,postal_code,housing_type
                 *     735,Broughton Street,Victoria,V8W 3H2,COP
                 */
                "text/csv": components["schemas"]["CsvFile"];
                /** @example {"address":"735","street":"Broughton Street","city":"Victoria","postal_code":"V8W 3H2","housing_type":"COP"} */
                "application/x-ndjson": components["schemas"]["NdjsonFile"];
            };
        };
        responses: {
            /** @description What the import did, or would do. */
            200: {
                headers: {
                    /** @description `true` if this is the stored answer to an earlier request with the same key. */
                    "Idempotency-Replayed"?: string;
                    /** @description With a file: the report without its errors, such as `received=3, created=2`. */
                    "Import-Report"?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "received": 1000,
                     *       "created": 998,
                     *       "updated": 1,
                     *       "unchanged": 0,
                     *       "rejected": 1,
                     *       "errors": [
                     *         {
                     *           "line": 17,
                     *           "field": "postal_code",
                     *           "code": "pattern",
                     *           "detail": "is invalid. A Canadian postal code, such as V8W 1P6."
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ImportReport"];
                    /** @example {"id":17,"address":"735","street":"Broughton Street","city":"Victoria","postal_code":"V8W 3H2","housing_type":"COP","version":3,"line":2,"field":"version","code":"version-conflict","detail":"The house is in version 4."} */
                    "application/x-ndjson": string;
                    /**
                     * @example id,address,street,city,postal_code,housing_type,version,line,field,code,detail
                     *     17,735,Broughton Street,Victoria,V8W 3H2,COP,3,2,version,version-conflict,The house is in version 4.
                     */
                    "text/csv": string;
                };
            };
        };
    };
    applyImport: {
        parameters: {
            query?: {
                /** @description `abort`, the default: if a row is wrong, nothing is stored. `skip`: the other rows are stored. */
                on_error?: "abort" | "skip";
            };
            header?: {
                /** @description Makes the request safe to repeat for 24 hours: 1 to 255 visible ASCII characters, such as a UUID. Use a new key for each new request. */
                "Idempotency-Key"?: string;
            };
            path: {
                /**
                 * @description What a dry run named.
                 * @example 7d0c1f4e-2b7a-4c7e-9d64-0f6f5f6b8a11
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What the import did, or would do. */
            200: {
                headers: {
                    /** @description `true` if this is the stored answer to an earlier request with the same key. */
                    "Idempotency-Replayed"?: string;
                    /** @description With a file: the report without its errors, such as `received=3, created=2`. */
                    "Import-Report"?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "received": 1000,
                     *       "created": 998,
                     *       "updated": 1,
                     *       "unchanged": 0,
                     *       "rejected": 1,
                     *       "errors": [
                     *         {
                     *           "line": 17,
                     *           "field": "postal_code",
                     *           "code": "pattern",
                     *           "detail": "is invalid. A Canadian postal code, such as V8W 1P6."
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ImportReport"];
                    /** @example {"id":17,"address":"735","street":"Broughton Street","city":"Victoria","postal_code":"V8W 3H2","housing_type":"COP","version":3,"line":2,"field":"version","code":"version-conflict","detail":"The house is in version 4."} */
                    "application/x-ndjson": string;
                    /**
                     * @example id,address,street,city,postal_code,housing_type,version,line,field,code,detail
                     *     17,735,Broughton Street,Victoria,V8W 3H2,COP,3,2,version,version-conflict,The house is in version 4.
                     */
                    "text/csv": string;
                };
            };
        };
    };
    listHousingChanges: {
        parameters: {
            query?: {
                /** @description The changes after this position; without it, all from the first. */
                after?: number;
                /** @description Only the changes of this house. */
                id?: number;
                /** @description Codes of housing types, separated by commas, such as SFD,MFD. Matches houses of any of these types. */
                housing_type?: string;
                /** @description A whole postal code, or its first three characters, such as V8W, in upper or lower case, with or without spaces or hyphens. */
                postal_code?: string;
                /** @description The most items of a page: 1 to 1000. */
                limit?: number;
                /** @description While there is no change, the answer waits for one: up to so many seconds, at most 30. */
                wait?: number;
            };
            header?: {
                /** @description For Server-Sent Events: the position of the last event, in place of `after`. Otherwise it is ignored. */
                "last-event-id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The changes after the position. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "position": 4711,
                     *           "version": 3,
                     *           "at": "2026-11-23T09:41:00.120Z",
                     *           "by": null,
                     *           "operation": "updated",
                     *           "house": {
                     *             "id": 17,
                     *             "address": "735",
                     *             "street": "Broughton Street",
                     *             "city": "Victoria",
                     *             "postal_code": "V8W 3H2",
                     *             "housing_type": "COP",
                     *             "version": 3,
                     *             "created_at": "2026-11-22T18:03:11.482Z",
                     *             "updated_at": "2026-11-23T09:41:00.120Z"
                     *           },
                     *           "id": 17
                     *         }
                     *       ],
                     *       "next": 4711
                     *     }
                     */
                    "application/json": components["schemas"]["HousingChangePage"];
                    /**
                     * @example id: 4711
                     *     event: change
                     *     data: {"position":4711,"version":3,"at":"2026-11-23T09:41:00.120Z","by":null,"operation":"updated","house":{"id":17,"address":"735","street":"Broughton Street","city":"Victoria","postal_code":"V8W 3H2","housing_type":"COP","version":3,"created_at":"2026-11-22T18:03:11.482Z","updated_at":"2026-11-23T09:41:00.120Z"},"id":17}
                     */
                    "text/event-stream": string;
                };
            };
        };
    };
    listHousingTypes: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETags that the client already has, such as `"17-3"`. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All housing types. */
            200: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "items": [
                     *         {
                     *           "code": "SFD",
                     *           "description": "Single Family Housing"
                     *         }
                     *       ],
                     *       "next": null
                     *     }
                     */
                    "application/json": components["schemas"]["HousingTypeList"];
                };
            };
            /** @description The client already has the current list. */
            304: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    getHousingType: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETags that the client already has, such as `"17-3"`. */
                "If-None-Match"?: string;
            };
            path: {
                /**
                 * @description The code: three capital letters.
                 * @example SFD
                 */
                code: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The type. */
            200: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "code": "SFD",
                     *       "description": "Single Family Housing"
                     *     }
                     */
                    "application/json": components["schemas"]["HousingType"];
                };
            };
            /** @description The client already has the current version. */
            304: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    putHousingType: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version to change, such as `"17-3"`, or * for any. A tag that a compressing proxy weakened or suffixed counts too. */
                "If-Match"?: string;
                /** @description * to fail if the resource already exists. */
                "If-None-Match"?: string;
            };
            path: {
                /**
                 * @description The code: three capital letters.
                 * @example TNH
                 */
                code: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "description": "Town House"
                 *     }
                 */
                "application/json": components["schemas"]["HousingTypeInput"];
            };
        };
        responses: {
            /** @description The type as it is now. */
            200: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "code": "SFD",
                     *       "description": "Single Family Housing"
                     *     }
                     */
                    "application/json": components["schemas"]["HousingType"];
                };
            };
            /** @description The new type. */
            201: {
                headers: {
                    /** @description Names this version of the resource, for If-Match and If-None-Match. */
                    ETag?: string;
                    /** @description The URL of the new resource. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "code": "SFD",
                     *       "description": "Single Family Housing"
                     *     }
                     */
                    "application/json": components["schemas"]["HousingType"];
                };
            };
        };
    };
    deleteHousingType: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version to change, such as `"17-3"`, or * for any. A tag that a compressing proxy weakened or suffixed counts too. */
                "If-Match"?: string;
                /** @description * to fail if the resource already exists. */
                "If-None-Match"?: string;
            };
            path: {
                /**
                 * @description The code: three capital letters.
                 * @example TNH
                 */
                code: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The type is deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
}
/** The codes of all problems. */
export type ContractCode =
    | "malformed-request"
    | "malformed-body"
    | "invalid-parameter"
    | "unauthenticated"
    | "invalid-token"
    | "forbidden"
    | "insufficient-scope"
    | "cross-site-request"
    | "not-found"
    | "method-not-allowed"
    | "not-acceptable"
    | "request-timeout"
    | "idempotency-key-in-use"
    | "conflict"
    | "precondition-failed"
    | "body-too-large"
    | "url-too-long"
    | "unsupported-media-type"
    | "misdirected-request"
    | "invalid-body"
    | "idempotency-key-reused"
    | "invalid-path"
    | "rejected"
    | "precondition-required"
    | "too-many-requests"
    | "headers-too-large"
    | "internal-error"
    | "unavailable"
    | "outcome-unknown"
    | "storage-full"
    | "storage-damaged"
    | "schema-mismatch"
    | "timeout"
    | "version-conflict"
    | "not-restorable"
    | "position-gone"
    | "unknown-housing-type"
    | "invalid-file"
    | "rows-rejected"
    | "import-incomplete"
    | "housing-type-in-use";
