/**
 * JSON Schemas that know the TypeScript type of what they describe, so that the two can't say different things: as much
 * of it as the contract needs. Libraries for all of JSON Schema load hundreds of modules (measured with one: 180 ms of
 * a start, 11 MiB of memory).
 */
declare const described: unique symbol;

export interface Schema<Value = unknown> {
  /** Never there: for the compiler alone. */
  readonly [described]?: Value;
  readonly [keyword: string]: unknown;
}

/** The type of what a schema describes. */
export type Static<Described extends Schema> = Described extends Schema<infer Value> ? Value : never;

export interface ObjectSchema<Properties extends Fields> extends Schema<ValueOf<Properties>> {
  /** Without their being optional. */
  readonly properties: { readonly [Name in keyof Properties]: SchemaOf<Properties[Name]> };
}

/** A field that may be absent. */
export interface Optional<Described extends Schema> {
  readonly optional: Described;
}

type Field = Schema | Optional<Schema>;
type Fields = Readonly<Record<string, Field>>;
type SchemaOf<Given> = Given extends Optional<infer Described> ? Described : Given extends Schema ? Given : never;
type RequiredName<Given extends Fields> = {
  [Name in keyof Given]: Given[Name] extends Optional<Schema> ? never : Name;
}[keyof Given];
type ValueOf<Given extends Fields> = Flat<
  { [Name in RequiredName<Given>]: Static<SchemaOf<Given[Name]>> } & {
    [Name in Exclude<keyof Given, RequiredName<Given>>]?: Static<SchemaOf<Given[Name]>>;
  }
>;
/** One object type and not an intersection, for whoever reads it in an editor. */
type Flat<Value> = { [Name in keyof Value]: Value[Name] };

type Keywords = Readonly<Record<string, unknown>>;

export const Type = {
  Null: (): Schema<null> => ({ type: 'null' }),
  Boolean: (keywords: Keywords = {}): Schema<boolean> => ({ type: 'boolean', ...keywords }),
  Integer: (keywords: Keywords = {}): Schema<number> => ({ type: 'integer', ...keywords }),
  Number: (keywords: Keywords = {}): Schema<number> => ({ type: 'number', ...keywords }),
  String: (keywords: Keywords = {}): Schema<string> => ({ type: 'string', ...keywords }),
  Literal: <const Value extends string>(value: Value): Schema<Value> => ({ type: 'string', const: value }),
  Union: <Described extends Schema>(anyOf: readonly Described[]): Schema<Static<Described>> => ({ anyOf }),
  Array: <Described extends Schema>(items: Described, keywords: Keywords = {}): Schema<Static<Described>[]> => ({
    type: 'array',
    items,
    ...keywords,
  }),
  Optional: <Described extends Schema>(optional: Described): Optional<Described> => ({ optional }),
  Object: objectOf,
} as const;

function objectOf<Given extends Fields>(fields: Given, keywords: Keywords = {}): ObjectSchema<Given> {
  const required: string[] = [];
  const properties: Record<string, Schema> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (isOptional(field)) properties[name] = field.optional;
    else {
      properties[name] = field;
      required.push(name);
    }
  }
  const schema: Schema = { type: 'object', properties, ...(required.length > 0 ? { required } : {}), ...keywords };
  return schema as ObjectSchema<Given>;
}

/** No keyword of JSON Schema is called so. */
function isOptional(field: Field): field is Optional<Schema> {
  return 'optional' in field;
}
