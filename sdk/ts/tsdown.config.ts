import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: ['src/index.ts', 'src/generated/index.ts'],
  format: ['esm', 'cjs'],
  platform: 'neutral',
  target: 'es2022',
  dts: true,
  sourcemap: false,
  clean: true,
});
