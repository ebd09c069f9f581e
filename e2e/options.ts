/** What `npm run e2e` takes on its command line and from the environment. */
import { parseArgs } from 'node:util';
import { KvcacheError, messageOf } from '../errors.ts';

export interface E2eOptions {
  /** The name of the kind cluster; one that exists is used as it is. */
  readonly cluster: string;
  /** A context of the kubeconfig instead of a kind cluster: nothing is made or taken away but what the suite put there. */
  readonly context: string | undefined;
  readonly keep: boolean;
  /** Names of scenarios (files without `.test.ts`), or parts of names; none: all. */
  readonly scenarios: readonly string[];
  /** Names of scenarios that are left out. */
  readonly without: readonly string[];
  readonly json: boolean;
  /** Images that the cluster has already or can pull; absent: built here and loaded. */
  readonly image: string | undefined;
  readonly toolsImage: string | undefined;
  readonly azuriteImage: string | undefined;
  /** The node image of the kind cluster; absent: kind's own. */
  readonly nodeImage: string | undefined;
}

export const usage = `npm run e2e -- [options]

  --scenario NAME      only scenarios whose name contains NAME (may be repeated)
  --without NAME       not the scenario of this name (may be repeated)
  --keep               leave the kind cluster running at the end
  --cluster NAME       the kind cluster's name; one that runs already is used and left running
  --context NAME       use this context of your kubeconfig instead of a kind cluster; needs the three images unless it
                       is a kind cluster's
  --image REF          the product's image, already in reach of the cluster, instead of one built here
  --azurite-image REF  the same for Azurite (target azurite of the Dockerfile)
  --tools-image REF    the same for the suite's own image (e2e/image/Dockerfile)
  --json               one JSON object with the outcome of every test on standard output
  --help               this text

Environment: KIND_NODE_IMAGE is the node image of the kind cluster; KVCACHE_LONG=1 runs the long forms.`;

export function optionsOf(args: readonly string[], environment: NodeJS.ProcessEnv): E2eOptions | 'help' {
  const values = parsed(args);
  if (values.help) return 'help';
  if (values.context !== undefined && values.cluster !== undefined) {
    throw new KvcacheError('CONFIG', '--context and --cluster exclude each other: a context is used as it is');
  }
  const isForeign = values.context !== undefined && !values.context.startsWith('kind-');
  const images = [values.image, values['tools-image'], values['azurite-image']];
  if (isForeign && images.includes(undefined)) {
    throw new KvcacheError(
      'CONFIG',
      `--context ${values.context} is no kind cluster, so images cannot be loaded into it: name them with --image, --azurite-image and --tools-image`,
    );
  }
  return {
    cluster: values.cluster ?? `kvcache-e2e-${process.pid.toString(36)}`,
    context: values.context,
    keep: values.keep ?? false,
    scenarios: values.scenario ?? [],
    without: values.without ?? [],
    json: values.json ?? false,
    image: values.image,
    toolsImage: values['tools-image'],
    azuriteImage: values['azurite-image'],
    nodeImage: environment['KIND_NODE_IMAGE'] || undefined,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      options: {
        scenario: { type: 'string', multiple: true },
        without: { type: 'string', multiple: true },
        keep: { type: 'boolean' },
        cluster: { type: 'string' },
        context: { type: 'string' },
        image: { type: 'string' },
        'tools-image': { type: 'string' },
        'azurite-image': { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new KvcacheError('CONFIG', messageOf(error), { cause: error });
  }
}
