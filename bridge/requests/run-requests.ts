/** How another process asks the bridge for a run: one small file for each request, removed once the run was asked for. */
import { watch } from 'chokidar';
import { mkdir, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readIfThere, writeAtomically } from '../../files/atomic-file';

const schema = z.strictObject({
  namespace: z.string().max(253),
  name: z.string().max(253),
  actor: z.string().max(256),
  reason: z.string().max(1024),
});

/** Whether an API server has authenticated the actor. */
export interface KnownActor {
  known?: true;
}

/** Asks for a run of one group. `member`: the one that is to be retried, which must be a member of it. */
export type RunRequest = z.infer<typeof schema> & KnownActor & { member?: string };

/** Leaves a request for the bridge that watches `folder`. Rejects with the error of the file system. */
export async function requestRun(folder: string, request: RunRequest): Promise<void> {
  await writeAtomically(
    join(folder, `${randomUUID()}.json`),
    JSON.stringify(schema.parse(fileForm(request))),
  );
}

/** A file is a claim. */
function fileForm({ known: _known, member: _member, ...request }: RunRequest): z.infer<typeof schema> {
  return request;
}

/**
 * Passes each request in `folder` to `handle`, also those that are there already. The file is removed once `handle` has resolved. If it rejects,
 * or the file is not a request, `onRefused` is called and the file is removed too.
 */
export async function watchRequests(
  folder: string,
  handle: (request: RunRequest) => Promise<void>,
  onRefused: (message: string) => void,
): Promise<{ stop(): Promise<void> }> {
  await mkdir(folder, { recursive: true });
  async function take(path: string): Promise<void> {
    try {
      const text = await readIfThere(path);
      if (text === undefined) return;
      await handle(schema.parse(JSON.parse(text)));
    } catch (error: unknown) {
      onRefused(error instanceof Error ? error.message : String(error));
    }
    await rm(path, { force: true });
  }

  const watcher = watch(folder, { depth: 0 });
  watcher.on('error', (error) => onRefused(String(error)));
  watcher.on('add', (path) => {
    if (!path.endsWith('.json')) return;
    void take(path).catch((error: unknown) => onRefused(String(error)));
  });
  await new Promise<void>((ready) => watcher.once('ready', () => ready()));
  return {
    // A request under way may wait for Temporal; its file stays for the next start.
    stop: () => watcher.close(),
  };
}
