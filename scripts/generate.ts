/**
 * `npm run generate [-- FOLDER]`: generated TypeScript and descriptor set from `protos/*.proto`, and without FOLDER
 * `docs/settings.md`, `docs/errors.md` and `docs/redis-compatibility.md` from the code that declares settings, errors and
 * commands, the CRD and `docs/reference.md` from the API of the operator, and the dashboard from its sources, too.
 *
 * All are committed, so that a clone runs unbuilt; `protos/generated.test.ts` regenerates into a temporary folder, and
 * the tests beside the documents' sources in memory, and find no difference.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildDashboard, builtFolder } from '../dashboard/build.ts';
import { compatibilityDocument } from '../doors/resp/compatibility-document.ts';
import { crdPath, customResourceDefinitionFile } from '../operator/api/crd.ts';
import { referenceDocument } from '../operator/api/reference.ts';
import { errorsDocument } from '../process/errors-document.ts';
import { settingsDocument } from '../settings/document.ts';
import { chartFiles } from './chart-files.ts';
import { hasHelm, plainManifests, plainManifestsPath } from './plain-manifests.ts';

const root = resolve(import.meta.dirname, '..');
const protoFolder = join(root, 'protos');
const outputFolder = resolve(process.argv[2] ?? join(protoFolder, 'generated'));
const options = [
  'env=node',
  'esModuleInterop=true',
  'importSuffix=.ts',
  'outputServices=grpc-js',
  'enumsAsLiterals=true',
  'forceLong=bigint',
  'oneof=unions-value',
  'outputJsonMethods=false',
  'useExactTypes=false',
  'unrecognizedEnum=false',
  'removeEnumPrefix=true',
];

/** Contracts of others that every gRPC tool expects: they are described by reflection, and their packages serve them. */
const foreignFolders = ['grpc-health-check/proto', '@grpc/reflection/build/proto'];
const foreignProtos = [
  'health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
];

function protoc(parameters: readonly string[]): void {
  const command = join(root, 'node_modules/.bin/protoc');
  const { status, error } = spawnSync(command, parameters, { stdio: 'inherit', cwd: protoFolder });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

mkdirSync(outputFolder, { recursive: true });
const protos = readdirSync(protoFolder).filter((name) => name.endsWith('.proto'));
protoc([
  `--plugin=protoc-gen-ts_proto=${join(root, 'node_modules/.bin/protoc-gen-ts_proto')}`,
  `--ts_proto_out=${outputFolder}`,
  `--ts_proto_opt=${options.join(',')}`,
  `-I${protoFolder}`,
  ...protos,
]);
protoc([
  `--descriptor_set_out=${join(outputFolder, 'descriptors.binpb')}`,
  '--include_imports',
  `-I${protoFolder}`,
  ...foreignFolders.map((folder) => `-I${join(root, 'node_modules', folder)}`),
  ...protos,
  ...foreignProtos,
]);
if (process.argv[2] === undefined) {
  writeFileSync(join(root, 'docs/settings.md'), settingsDocument());
  writeFileSync(join(root, 'docs/errors.md'), errorsDocument());
  writeFileSync(join(root, 'docs/redis-compatibility.md'), compatibilityDocument());
  writeFileSync(join(root, crdPath), customResourceDefinitionFile());
  writeFileSync(join(root, 'docs/reference.md'), referenceDocument());
  for (const [name, content] of await buildDashboard()) writeFileSync(join(builtFolder, name), content);
  for (const [path, content] of chartFiles()) writeFileSync(join(root, path), content);
  if (hasHelm()) writeFileSync(join(root, plainManifestsPath), plainManifests(customResourceDefinitionFile()));
  else process.stderr.write(`${plainManifestsPath} is left as it was: it takes Helm, which is not installed\n`);
}
