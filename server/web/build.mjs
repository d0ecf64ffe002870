// Builds each page of src into dist: `<page>.html` beside `assets`, whose files are named after their content and lie there
// in gzip as well. dist is replaced at the end, by a whole build.

import { readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";

import { build } from "esbuild";

const PAGES = ["graphiql"];
const NEW = "node_modules/.dist";

// GraphiQL's stylesheet carries 300 kB of fonts as data; the reader's own fonts do.
const withoutFonts = {
  name: "without-fonts",
  setup(it) {
    it.onLoad({ filter: /graphiql[/\\]dist[/\\]style\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replace(/@font-face\s*\{[^}]*\}/g, ""),
      loader: "css",
    }));
  },
};

await rm(NEW, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: PAGES.map((page) => `src/${page}.jsx`),
  outdir: `${NEW}/assets`,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  jsx: "automatic",
  loader: { ".graphql": "text" },
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "linked",
  metafile: true,
  logLevel: "warning",
  plugins: [withoutFonts],
});

for (const page of PAGES) {
  const [script, { cssBundle }] = Object.entries(metafile.outputs).find(([, made]) => made.entryPoint === `src/${page}.jsx`);
  const html = (await readFile(`src/${page}.html`, "utf8"))
    .replace(`assets/${page}.js`, `assets/${basename(script)}`)
    .replace(`assets/${page}.css`, `assets/${basename(cssBundle)}`);
  await writeFile(`${NEW}/${page}.html`, html);
}
for (const name of await readdir(`${NEW}/assets`)) {
  const plain = await readFile(`${NEW}/assets/${name}`);
  await writeFile(`${NEW}/assets/${name}.gz`, await promisify(gzip)(plain, { level: constants.Z_BEST_COMPRESSION }));
}
await rm("dist", { recursive: true, force: true });
await rename(NEW, "dist");
