import { readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { AnagateError } from '../../src/base/errors.ts';
import { code, file, MIB, makeRig, NQN, scratch, serveOne } from './rig.ts';

describe('files of namespaces', () => {
  it('are made sparse, kept when the namespace goes, and used again', async () => {
    const directory = await scratch();
    const { gateway, devices } = makeRig();
    await serveOne({ gateway });
    const path = join(directory, 'disk.img');
    await gateway.addNamespace(file(path, { nsid: 2, sizeBytes: 1024 * MIB }));
    expect(await stat(path)).toMatchObject({ size: 1024 * MIB, blocks: 0 });
    await gateway.deleteNamespace(NQN, 2);
    expect(devices.at(-1)!.closed).toBe(true);
    expect((await stat(path)).size).toBe(1024 * MIB);
    const { sizeBytes: _, ...spec } = file(path, { nsid: 2, blockSize: 4096 }, false);
    expect(await gateway.addNamespace(spec)).toMatchObject({ sizeBytes: 1024 * MIB, blockSize: 4096 });
  });

  it('are not used twice unless somebody insists, by whatever name', async () => {
    const directory = await scratch();
    const { gateway } = makeRig();
    await serveOne({ gateway });
    const path = join(directory, 'disk.img');
    await gateway.addNamespace(file(path));
    await symlink(path, join(directory, 'link.img'));
    for (const name of ['disk.img', './disk.img', 'link.img']) {
      await expect(gateway.addNamespace(file(`${directory}/${name}`))).rejects.toMatchObject({
        code: 'IMAGE_IN_USE',
        message: expect.stringContaining('namespace 2 of'),
      });
    }
    await gateway.addNamespace(file(path, { force: true }));
    expect(gateway.listNamespaces()).toHaveLength(3);
  });

  it('are refused when they are no files, of another size, or our own', async () => {
    const directory = await scratch();
    const own = join(directory, 'state.json');
    await writeFile(own, 'x'.repeat(512));
    const { gateway } = makeRig({ reservedPaths: [own] });
    await serveOne({ gateway });
    await expect(gateway.addNamespace(file(directory))).rejects.toBeInstanceOf(AnagateError);
    await expect(gateway.addNamespace(file('/dev/null', {}, false))).rejects.toBeInstanceOf(AnagateError);
    await expect(gateway.addNamespace(file(own, { sizeBytes: 512 }))).rejects.toMatchObject({
      message: expect.stringContaining("gateway's own"),
    });
    await expect(gateway.addNamespace(file(join(directory, 'none'), {}, false))).rejects.toMatchObject({
      code: 'STORAGE_NOT_FOUND',
    });
    const path = join(directory, 'disk.img');
    await writeFile(path, 'x'.repeat(512));
    await expect(gateway.addNamespace(file(path))).rejects.toMatchObject({ code: 'SIZE_INVALID' });
    await truncate(path, 511);
    const { sizeBytes: _, ...spec } = file(path, {}, false);
    await expect(gateway.addNamespace(spec)).rejects.toMatchObject({ code: 'SIZE_INVALID' });
    vi.stubEnv('NODE_RADOS_ADDON', '/nonexistent.node');
    await expect(
      gateway.addNamespace({ nqn: NQN, backend: { type: 'rbd', pool: 'p', image: 'i' } }),
    ).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/^RBD is not available: .*install .*librbd-dev/),
    });
    vi.unstubAllEnvs();
    expect(await readFile(own, 'utf8')).toBe('x'.repeat(512));
    expect(gateway.listNamespaces()).toHaveLength(1);
  });

  it('grow with the namespace, never shrink', async () => {
    const directory = await scratch();
    const { gateway } = makeRig();
    await serveOne({ gateway });
    const path = join(directory, 'disk.img');
    await gateway.addNamespace(file(path));
    expect(await gateway.resizeNamespace(NQN, 2, 2 * MIB)).toMatchObject({ sizeBytes: 2 * MIB });
    expect((await stat(path)).size).toBe(2 * MIB);
    await expect(gateway.resizeNamespace(NQN, 2, MIB)).rejects.toThrowError(code('SIZE_INVALID'));
  });
});
