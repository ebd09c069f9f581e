/**
 * The dashboard as browsers load it: one page, one script, one style sheet, without hashes in their names.
 *
 * What is built is committed (dashboard/built), so that a plain checkout and the image serve it with no step between;
 * `npm run generate` builds it anew, and a test holds it equal to its sources. The build depends on nothing but the
 * sources and the versions that the lockfile pins.
 */
import { join } from 'node:path';
import { build } from 'vite';

export const builtFolder = join(import.meta.dirname, 'built');

/** Contents by file name. */
export async function buildDashboard(): Promise<Map<string, string>> {
  // vite builds for development where the process is said to be anything else, such as a test.
  const environment = process.env['NODE_ENV'];
  process.env['NODE_ENV'] = 'production';
  try {
    return await built();
  } finally {
    if (environment === undefined) delete process.env['NODE_ENV'];
    else process.env['NODE_ENV'] = environment;
  }
}

async function built(): Promise<Map<string, string>> {
  const result = await build({
    root: import.meta.dirname,
    configFile: false,
    envFile: false,
    logLevel: 'error',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: {
        output: {
          entryFileNames: 'dashboard.js',
          assetFileNames: 'dashboard.[ext]',
          codeSplitting: false,
        },
      },
    },
  });
  const { output } = Array.isArray(result) ? result[0]! : (result as Extract<typeof result, { output: unknown }>);
  return new Map(
    output.map((file) => {
      const content = file.type === 'chunk' ? file.code : file.source;
      return [file.fileName, typeof content === 'string' ? content : Buffer.from(content).toString('utf8')];
    }),
  );
}
