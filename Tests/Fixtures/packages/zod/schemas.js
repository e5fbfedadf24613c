// The members of zod that integration scripts use most.
const fail = (path, message, code = 'invalid_type') => ({ issues: [{ code, path, message }] });

class Schema {
    constructor(read, print) {
        this.read = read;
        this.print = print;
    }

    safeParse(value) {
        const result = this.read(value, []);
        return result.issues ? { success: false, error: { issues: result.issues } } : { success: true, data: result.value };
    }

    async safeParseAsync(value) {
        return this.safeParse(value);
    }

    parse(value) {
        const result = this.safeParse(value);
        if (result.success) return result.data;
        throw Object.assign(new Error(JSON.stringify(result.error.issues)), { name: 'ZodError', issues: result.error.issues });
    }

    describe(text) {
        return new Schema(this.read, () => ({ ...this.print(), description: text }));
    }

    optional() {
        const made = new Schema((value, path) => (value === undefined ? { value } : this.read(value, path)), this.print);
        made.isOptional = true;
        return made;
    }

    nullable() {
        return new Schema(
            (value, path) => (value === null ? { value } : this.read(value, path)),
            () => ({ anyOf: [this.print(), { type: 'null' }] }),
        );
    }

    default(fallback) {
        const made = new Schema((value, path) => (value === undefined ? { value: fallback } : this.read(value, path)), this.print);
        made.isOptional = true;
        return made;
    }

    min() {
        return this;
    }

    url() {
        return this;
    }
}

const plain = (type) => () =>
    new Schema((value, path) => (typeof value === type ? { value } : fail(path, `expected ${type}`)), () => ({ type }));

export const string = plain('string');
export const number = plain('number');
export const boolean = plain('boolean');
export const unknown = () => new Schema((value) => ({ value }), () => ({}));
export const any = unknown;
export const date = () =>
    new Schema((value, path) => (value instanceof Date ? { value } : fail(path, 'expected date')), () => {
        throw new Error('Date cannot be represented in JSON Schema');
    });
export { void_ as void, null_ as null, enum_ as enum };
const void_ = () => new Schema((value, path) => (value === undefined ? { value } : fail(path, 'expected void')), () => ({}));
const null_ = () => new Schema((value, path) => (value === null ? { value } : fail(path, 'expected null')), () => ({ type: 'null' }));
const enum_ = (values) =>
    new Schema((value, path) => (values.includes(value) ? { value } : fail(path, 'not one of the values')), () => ({ enum: values }));
export const literal = (wanted) =>
    new Schema((value, path) => (value === wanted ? { value } : fail(path, 'another value')), () => ({ const: wanted }));
export const union = (members) =>
    new Schema((value, path) => {
        for (const member of members) {
            const result = member.read(value, path);
            if (!result.issues) return result;
        }
        return fail(path, 'none of the union', 'invalid_union');
    }, () => ({ anyOf: members.map((member) => member.print()) }));
export const array = (member) =>
    new Schema((value, path) => {
        if (!Array.isArray(value)) return fail(path, 'expected array');
        const results = value.map((one, index) => member.read(one, [...path, index]));
        const issues = results.flatMap((result) => result.issues ?? []);
        return issues.length > 0 ? { issues } : { value: results.map((result) => result.value) };
    }, () => ({ type: 'array', items: member.print() }));
export const record = (key, member) => new Schema((value) => ({ value }), () => ({ type: 'object', additionalProperties: member.print() }));
export const object = (shape) => {
    const made = new Schema((value, path) => {
        if (typeof value !== 'object' || value === null) return fail(path, 'expected object');
        const found = {};
        const issues = [];
        for (const [name, member] of Object.entries(shape)) {
            const result = member.read(value[name], [...path, name]);
            if (result.issues) issues.push(...result.issues);
            else if (result.value !== undefined) found[name] = result.value;
        }
        return issues.length > 0 ? { issues } : { value: found };
    }, () => ({
        type: 'object',
        properties: Object.fromEntries(Object.entries(shape).map(([name, member]) => [name, member.print()])),
        required: Object.keys(shape).filter((name) => !shape[name].isOptional),
    }));
    made.shape = shape;
    made.extend = (more) => object({ ...shape, ...more });
    return made;
};
export const toJSONSchema = (schema) => schema.print();
