/**
 * `kubectl kvcache`: the commands of `kvcache` for a KVCache in Kubernetes. kubectl runs `kubectl-kvcache` of the PATH.
 *
 *   status, scale, events      ask the API server about the object
 *   get, set, lookup, …        the commands of `kvcache`, at a router behind a port of this machine
 *
 * For the latter a port-forward is opened before the command runs and ended after it; they learn of it through their
 * environment, so that not one of them knows of Kubernetes. One that is told where to go by --server goes there itself.
 */
import { Command } from 'commander';
import { KvcacheError } from '../errors.ts';
import { addConfig } from './commands/config.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addKubernetesCommands } from './commands/kubernetes.ts';
import { addLookup } from './commands/lookup.ts';
import { addManyKeyCommands } from './commands/many-keys.ts';
import { addVersion } from './commands/version.ts';
import { clientEnvironment } from './kubernetes/credentials.ts';
import { nameOfCache } from './kubernetes/find-cache.ts';
import { addPluginFlags, cacheOf } from './kubernetes/plugin-flags.ts';
import { forwardPort } from './kubernetes/port-forward.ts';
import { addPlaygroundCommand } from './playground.ts';
import { runProgram } from './run-program.ts';
import { processTerminal } from './terminal.ts';
import { readVersion } from '../process/version.ts';

const terminal = processTerminal();
/** Ended when the command has: the port-forward, files with certificates. */
await using ends = new AsyncDisposableStack();

const program = addPluginFlags(new Command('kubectl kvcache'))
  .description('Looks after KVCaches in Kubernetes: state, scaling, events, and keys through a port-forward.')
  .version(readVersion(), '-V, --version', 'print the version')
  .exitOverride()
  .showSuggestionAfterError()
  .showHelpAfterError('(kubectl kvcache help COMMAND shows examples)')
  .configureHelp({ sortSubcommands: false, showGlobalOptions: true })
  // The commands of `kvcache` show examples of themselves.
  .configureOutput({
    writeOut: (text) => process.stdout.write(text.replaceAll(/^( +|.*\| )kvcache /gm, '$1kubectl kvcache ')),
  })
  .addHelpText(
    'after',
    `
Examples:
  kubectl kvcache status                       conditions, shards, progress
  kubectl kvcache scale 5 -n models            and wait until every key has its place
  kubectl kvcache set greeting hello           through a port-forward to a router
  kubectl kvcache get greeting --cache prompts

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 key not found, 4 cluster not reachable.`,
  );
addKubernetesCommands(program, terminal);
const ofObjects = new Set(program.commands);
addLookup(program, terminal);
addPlaygroundCommand(program, terminal);
addKeyCommands(program, terminal);
addManyKeyCommands(program, terminal);
addConfig(program, terminal);
const ofRouters = new Set(program.commands.filter((command) => !ofObjects.has(command)));
addVersion(program, terminal);

program.hook('preAction', async (_, command) => {
  const topmost = command.parent === program ? command : command.parent!;
  if (ofRouters.has(topmost) && command.getOptionValue('server') === undefined) await connect(command);
});

/** Opens the port, and tells the command of it by its environment. What the user has set stays. */
async function connect(command: Command): Promise<void> {
  const { kubectl, cache } = await cacheOf(command);
  const name = nameOfCache(cache);
  if (!cache.spec.listeners.grpc.enabled) {
    throw new KvcacheError(
      'CONFIG',
      `${name} has spec.listeners.grpc.enabled false: there is no door for this command`,
    );
  }
  const forward = ends.use(await forwardPort(kubectl, `service/${name}`, 'grpc'));
  const { variables } = ends.use(await clientEnvironment(kubectl, cache, `localhost:${forward.port}`));
  const isToldOfSecrets = ['token', 'tokenFile', 'password', 'passwordFile'].some(
    (option) => command.getOptionValueSource(option) === 'cli',
  );
  for (const [variable, value] of Object.entries(variables)) {
    const isSecret = /_(TOKEN|PASSWORD)$/.test(variable);
    const isOurs = variable === 'KVSTORE_GRPC_SERVER' || process.env[variable] === undefined;
    if (isOurs && !(isSecret && isToldOfSecrets)) process.env[variable] = value;
  }
}

await runProgram(program, terminal);
