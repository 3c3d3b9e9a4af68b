import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, databases and network namespaces of the system tests take their time; unit tests never sleep.
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
