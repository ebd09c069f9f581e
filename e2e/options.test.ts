import { describe, expect, test } from 'vitest';
import { optionsOf } from './options.ts';

describe('options of npm run e2e', () => {
  test('without any, the suite makes a kind cluster of a name of its own', () => {
    const options = optionsOf([], {});
    expect(options).toMatchObject({
      context: undefined,
      keep: false,
      scenarios: [],
      json: false,
      nodeImage: undefined,
    });
    expect(options).toHaveProperty('cluster', expect.stringMatching(/^kvcache-e2e-[a-z0-9]+$/u));
  });

  test('take several scenarios, a cluster that is kept, and the node image from the environment', () => {
    const args = [
      '--scenario',
      'node-dies',
      '--scenario',
      'chart',
      '--without',
      'random-kills',
      '--cluster',
      'mine',
      '--keep',
    ];
    expect(optionsOf(args, { KIND_NODE_IMAGE: 'kindest/node:v1.34.4' })).toMatchObject({
      scenarios: ['node-dies', 'chart'],
      without: ['random-kills'],
      cluster: 'mine',
      keep: true,
      nodeImage: 'kindest/node:v1.34.4',
    });
  });

  test('a kind cluster’s context gets its images loaded', () => {
    expect(optionsOf(['--context', 'kind-mine'], {})).toMatchObject({ context: 'kind-mine', image: undefined });
  });

  test('another cluster’s context needs images that it can reach', () => {
    expect(() => optionsOf(['--context', 'aks'], {})).toThrow(
      'name them with --image, --azurite-image and --tools-image',
    );
    const images = ['--image', 'r/kvcache:1', '--azurite-image', 'r/azurite:1', '--tools-image', 'r/tools:1'];
    expect(optionsOf(['--context', 'aks', ...images], {})).toMatchObject({ context: 'aks', image: 'r/kvcache:1' });
  });

  test('a mistake is told by name', () => {
    expect(() => optionsOf(['--scenarios', 'x'], {})).toThrow('--scenarios');
    expect(() => optionsOf(['--context', 'kind-a', '--cluster', 'a'], {})).toThrow('exclude each other');
  });
});
