/** The CustomResourceDefinition, and the file that `npm run generate` writes of it. */
import { stringify } from 'yaml';
import { apiGroup, apiVersionName, kind, kvcacheSchema, plural, shortName, singular } from './schema.ts';
import { type StructuralSchema, structuralSchema } from './structural.ts';

/** Where the file lies, from the root of the repository. */
export const crdPath = `crds/${apiGroup}_${plural}.yaml`;
export const crdName = `${plural}.${apiGroup}`;

/** What `kubectl get kvc` shows. */
const printerColumns = [
  {
    name: 'Ready',
    type: 'string',
    description: 'Whether the cache serves as its spec says.',
    jsonPath: '.status.conditions[?(@.type=="Ready")].status',
  },
  { name: 'Shards', type: 'string', description: 'Ready and wanted shards.', jsonPath: '.status.shardsReady' },
  { name: 'Hit rate', type: 'string', description: 'Reads that found their key.', jsonPath: '.status.hitRate' },
  { name: 'Memory', type: 'string', description: 'Memory in use on all shards.', jsonPath: '.status.memoryUsed' },
  {
    name: 'Routers',
    type: 'string',
    description: 'Ready and wanted routers.',
    jsonPath: '.status.routersReady',
    priority: 1,
  },
  { name: 'Epoch', type: 'integer', description: 'The topology in force.', jsonPath: '.status.epoch', priority: 1 },
  {
    name: 'Reason',
    type: 'string',
    description: 'Why it is ready or not.',
    jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
    priority: 1,
  },
  { name: 'Age', type: 'date', description: 'How long ago it was made.', jsonPath: '.metadata.creationTimestamp' },
] as const;

/** The schema of the whole object, with the members that every object has. */
export function openAPISchema(): StructuralSchema {
  const schema = structuralSchema(kvcacheSchema);
  return {
    ...schema,
    properties: {
      apiVersion: { description: `${apiGroup}/${apiVersionName}`, type: 'string' },
      kind: { description: kind, type: 'string' },
      // What every name keeps to anyway; the rules about names are priced by it.
      metadata: { type: 'object', properties: { name: { type: 'string', maxLength: 253 } } },
      ...schema.properties,
    },
  };
}

export function customResourceDefinition() {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: crdName },
    spec: {
      group: apiGroup,
      names: { kind, listKind: `${kind}List`, plural, singular, shortNames: [shortName] },
      scope: 'Namespaced',
      versions: [
        {
          name: apiVersionName,
          served: true,
          storage: true,
          additionalPrinterColumns: printerColumns,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.shards.replicas',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
          schema: { openAPIV3Schema: openAPISchema() },
        },
      ],
    },
  };
}

/** The file's text. */
export function customResourceDefinitionFile(): string {
  const comment = '# Generated from operator/api/schema.ts by `npm run generate`; edit that file.\n';
  return comment + stringify(customResourceDefinition(), { lineWidth: 0, aliasDuplicateObjects: false });
}
