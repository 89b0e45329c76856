/** The promises of every configuration store, kept by the one in RADOS. */
import { afterAll, beforeAll } from 'vitest';
import { describeWithCeph } from '../node-rados/harness/with-cluster.ts';
import { describeConfigStore } from './config-store-contract.ts';
import { freshPlace, openStore, startAdmin, stopAdmin } from './omap-rig.ts';

describeWithCeph('on Ceph', () => {
  beforeAll(startAdmin);
  afterAll(stopAdmin);

  describeConfigStore({
    name: 'omap',
    async place() {
      const place = freshPlace();
      return { open: async () => (await openStore(place)).store, remove: () => place.remove() };
    },
  });
});
