#pragma once
/// \file The look of report pages: a column of text, in light and dark.

namespace stampede {

inline constexpr const char* kPageStyle = R"css(
:root { color-scheme: light dark;
  --ink: #1d232b; --quiet: #5d6673; --page: #fdfdfc; --card: #fff; --rule: #dfe3e8;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b8578f; --c4: #b98500; --c5: #3a9bd1; --c6: #737373;
  --c7: #222; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --quiet: #9aa4b1; --page: #14171b; --card: #1b1f25; --rule: #333a43;
    --c0: #56b4e9; --c1: #f0883e; --c2: #3ecf9f; --c3: #e29cc4; --c4: #e6b93a; --c5: #8fd0f5; --c6: #a5a5a5;
    --c7: #eee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
.quiet, figcaption, caption { color: var(--quiet); }
.numbers { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0 0; padding: 0; }
.numbers div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .6rem 1rem; }
.numbers dt { color: var(--quiet); font-size: .85rem; }
.numbers dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.grid-of { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 1rem; }
.grid-of figure, .film figure { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
figure { margin: 0; padding: .8rem; }
figcaption { font-size: .9rem; }
.chart figcaption { color: var(--ink); font-weight: 600; }
.chart svg { display: block; width: 100%; height: auto; }
.chart .grid { stroke: var(--rule); stroke-width: 1; fill: none; }
.chart .axis { stroke: var(--quiet); stroke-width: 1; fill: none; }
.chart .line { stroke: var(--c); stroke-width: 2; fill: none; stroke-linejoin: round; stroke-linecap: round; }
.chart circle { fill: var(--c); }
.chart text { fill: var(--quiet); font-size: 12px; }
.chart .name { fill: var(--ink); }
.chart .middle { text-anchor: middle; } .chart .end { text-anchor: end; }
.names { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .3rem 0 0; font-size: .85rem; }
.names span::before { content: ""; display: inline-block; width: 1.2em; margin-right: .4em; vertical-align: .25em;
  border-top: 3px solid var(--c); }
.names .dashed::before { border-top-style: dashed; }
.film { display: flex; flex-wrap: wrap; gap: 1rem; }
.film img, .film video { display: block; max-width: 100%; height: auto; border-radius: 4px; }
.sight { display: flex; flex-wrap: wrap; gap: .6rem; }
.sight figure { padding: 0; text-align: center; }
.sight img { display: block; height: 7rem; width: auto; image-rendering: pixelated; border: 1px solid var(--rule); }
.picture img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
caption { text-align: left; padding-bottom: .3rem; font-size: .9rem; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { font-weight: 600; } th:first-child, td.left { text-align: left; }
td.share { background: color-mix(in srgb, var(--c2) calc(var(--share) * 45%), transparent); }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .8rem; overflow-x: auto;
  font: .85rem/1.5 ui-monospace, monospace; }
details { margin: .6rem 0; } summary { cursor: pointer; }
)css";

}  // namespace stampede
