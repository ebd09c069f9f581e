/** `docs/reference.md`: every field of the API, written from the CRD's schema by `npm run generate`. */
import { kubernetesShardsMax } from '../../limits.ts';
import { crdPath, openAPISchema } from './crd.ts';
import { apiVersion } from './schema.ts';
import { durationPattern } from './field.ts';
import type { StructuralSchema } from './structural.ts';

/** Types of Kubernetes' own API, which its documentation describes better than a table of ours: one row each. */
const foreignTypes: Readonly<Record<string, string>> = {
  affinity: 'https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#scheduling',
  tolerations: 'https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#scheduling',
  topologySpreadConstraints: 'https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/',
  extraEnv: 'https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#environment-variables',
};

const introduction = `# KVCache reference

<!-- Generated from operator/api/schema.ts by \`npm run generate\`; edit that file. -->

Every field of \`${apiVersion}\` KVCache, as \`kubectl explain kvcache.spec\` shows it too. The definition itself is
\`${crdPath}\`; it needs Kubernetes 1.29 or later, whose CEL knows quantities. A KVCache has at most
${kubernetesShardsMax} shards.

\`\`\`yaml
apiVersion: ${apiVersion}
kind: KVCache
metadata:
  name: example
spec: {} # three shards of 1Gi memory and 10Gi disk, two routers, no Blob
\`\`\`

- Quantities are those of Kubernetes: \`500m\`, \`2Gi\`, \`1073741824\`.
- Durations are a whole number with \`ms\`, \`s\`, \`m\` or \`h\`.
- A field without a default may be left out unless it is marked as required.
`;

/** The whole document. */
export function referenceDocument(): string {
  const { properties, ...root } = openAPISchema();
  return [
    introduction,
    ...rules(root),
    ...['spec', 'status'].flatMap((name) => section('##', name, properties![name]!)),
  ].join('\n');
}

/** A table of an object's members and its rules, then a section for each member that is an object itself. */
function section(heading: string, path: string, schema: StructuralSchema): string[] {
  const members = Object.entries(schema.properties ?? {});
  const object = ({ items, ...schema }: StructuralSchema): StructuralSchema => items ?? schema;
  return [
    `${heading} \`${path}\`\n`,
    `${schema.description}\n`,
    '| Field | Type | Default | |',
    '| --- | --- | --- | --- |',
    ...members.map(([name, member]) => row(name, member, schema.required?.includes(name) ?? false)),
    '',
    ...rules(schema),
    ...members.flatMap(([name, member]) =>
      object(member).properties === undefined || name in foreignTypes
        ? []
        : section('###', `${path}.${name}${member.items ? '[]' : ''}`, {
            ...object(member),
            description: member.description!,
          }),
    ),
  ];
}

/** The rules about an object and about its plain members, as a list. */
function rules(schema: StructuralSchema): string[] {
  const plain = Object.values(schema.properties ?? {}).filter(({ properties }) => properties === undefined);
  const found = [schema, ...plain].flatMap((node) => node['x-kubernetes-validations'] ?? []);
  return found.length === 0 ? [] : ['Admission checks besides:\n', ...found.map(({ message }) => `- ${message}.`), ''];
}

function row(name: string, schema: StructuralSchema, isRequired: boolean): string {
  const link = foreignTypes[name];
  const more = link === undefined ? '' : ` See [Kubernetes](${link}).`;
  const cells = [`\`${name}\``, typeOf(schema), defaultOf(schema, isRequired), `${schema.description}${more}`];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultOf(schema: StructuralSchema, isRequired: boolean): string {
  if (isRequired) return 'required';
  if (schema.default === undefined || schema.properties !== undefined) return '';
  return `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``;
}

function typeOf(schema: StructuralSchema): string {
  if (schema['x-kubernetes-int-or-string']) return 'quantity';
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.items) return `list of ${typeOf(schema.items)}, at most ${schema.maxItems}`;
  if (schema.additionalProperties) return `map of ${typeOf(schema.additionalProperties)}`;
  if (schema.type === 'object') return 'object';
  if (schema.format === 'date-time') return 'time';
  if (schema.pattern === durationPattern.source) return 'duration';
  const bounds = boundsOf(schema);
  return bounds === '' ? schema.type! : `${schema.type}, ${bounds}`;
}

function boundsOf({ minimum, maximum, minLength, maxLength }: StructuralSchema): string {
  if (minimum !== undefined && maximum !== undefined && maximum < 2 ** 31 - 1) return `${minimum} to ${maximum}`;
  if (minimum !== undefined) return `at least ${minimum}`;
  if (maxLength === undefined) return '';
  return minLength === undefined ? `at most ${maxLength} characters` : `${minLength} to ${maxLength} characters`;
}
