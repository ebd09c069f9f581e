/**
 * A settings file: YAML, of which JSON is a part, nested, with dotted names, or flat with underscores; all in one file if
 * need be.
 *
 *   grpc:            is the same as   grpc.port: 50051   and as   grpc_port: 50051
 *     port: 50051
 */
import { readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import { KvcacheError, messageOf } from '../errors.ts';

/** Dotted names and what the file gives them. `isSetting` tells where nesting ends. */
export function readSettingsFile(path: string, isSetting: (name: string) => boolean): [string, unknown][] {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    throw new KvcacheError('CONFIG', `the settings file ${path} cannot be read: ${messageOf(error)}`);
  }
  let content: unknown;
  try {
    content = parse(source);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new KvcacheError('CONFIG', `the settings file ${path} is neither YAML nor JSON: ${firstLineOf(error)}`);
  }
  if (content === null || content === undefined) return [];
  if (!isMap(content)) {
    throw new KvcacheError(
      'CONFIG',
      `the settings file ${path} must be a map of settings, such as 'memory.limit: 1GiB'`,
    );
  }
  return [...flattened(content, '', isSetting)];
}

/** Without the excerpt of the file, which may hold a secret. */
function firstLineOf(error: YAMLParseError): string {
  return error.message.split('\n', 1)[0]!.replace(/:$/, '');
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The settings of a nested map by their dotted names; null is as good as absent. */
export function* flattened(
  map: Record<string, unknown>,
  prefix: string,
  isSetting: (name: string) => boolean,
): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(map)) {
    const name = prefix + key;
    if (value === null) continue;
    if (isMap(value) && !isSetting(name)) yield* flattened(value, `${name}.`, isSetting);
    else yield [name, value];
  }
}
