import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The cache has given old code for changed files after a pull: what is tested must be what is on disk.
    fsModuleCache: false,
    // Processes, databases and network namespaces of the system tests take their time; unit tests never sleep.
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
