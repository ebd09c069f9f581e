/** Is everything here that the suite runs with? Says what to install where it is not. */
import { KvcacheError } from '../../errors.ts';
import { outcomeOf } from './process.ts';

interface Tool {
  readonly command: string;
  readonly args: readonly string[];
  readonly install: string;
}

const docker: Tool = {
  command: 'docker',
  args: ['--version'],
  install: 'Docker Engine 20.10 or newer (https://docs.docker.com/engine/install)',
};
const kind: Tool = {
  command: 'kind',
  args: ['version'],
  install: 'kind 0.30 or newer (https://kind.sigs.k8s.io/docs/user/quick-start/#installation)',
};
const kubectl: Tool = {
  command: 'kubectl',
  args: ['version', '--client'],
  install: 'kubectl 1.33 or newer (https://kubernetes.io/docs/tasks/tools)',
};
const helm: Tool = {
  command: 'helm',
  args: ['version', '--short'],
  install: 'Helm 3.17 or newer (https://helm.sh/docs/intro/install)',
};

/** Rejects with CONFIG and a line for each thing that is missing. */
export async function requireTools(needs: { readonly builds: boolean; readonly kind: boolean }): Promise<void> {
  const tools = [...(needs.builds || needs.kind ? [docker] : []), ...(needs.kind ? [kind] : []), kubectl, helm];
  const missing: string[] = [];
  for (const tool of tools) {
    if (!(await runs(tool))) missing.push(`${tool.command} is not here: install ${tool.install}`);
  }
  if (tools.includes(docker) && missing.length === 0) {
    const { code, err } = await outcomeOf('docker', ['info']);
    if (code !== 0) missing.push(`docker is installed and its engine does not answer: start it (${err.trim()})`);
  }
  if (missing.length > 0) throw new KvcacheError('CONFIG', missing.join('\n'));
}

async function runs({ command, args }: Tool): Promise<boolean> {
  try {
    return (await outcomeOf(command, args)).code === 0;
  } catch {
    // It cannot be started: not on the PATH, or not for this machine.
    return false;
  }
}
