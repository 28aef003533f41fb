/** The styles of the page: calm, readable from afar and on a phone, on dark and light screens and on paper. */

import { MARKS as MARK_NAMES } from '../page/counts';

const COLOURS = `
:root{--bg:#f4f4f1;--panel:#fff;--ink:#1b2127;--muted:#56606a;--line:#d8dbdd;--soft:#ecedea;
--Done:#17705a;--Working:#1d5bb5;--Queued:#4d5f86;--Waiting:#626b74;--Parked:#b3241c;--Missing:#8f4a00;--SetAside:#6d4a9c;
--alert:#fdf1ef;--track:#e3e5e3;color-scheme:light}
@media (prefers-color-scheme:dark){:root{--bg:#11151a;--panel:#191f26;--ink:#e9edf0;--muted:#a5b0ba;--line:#2d3640;--soft:#212931;
--Done:#55c7a3;--Working:#82b4fb;--Queued:#a9b8da;--Waiting:#8f9ba6;--Parked:#ff8f85;--Missing:#f0b065;--SetAside:#c5a6f0;
--alert:#2a1c1c;--track:#2a323a;color-scheme:dark}}
@media print{:root{--bg:#fff;--panel:#fff;--ink:#000;--muted:#444;--line:#bbb;--soft:#f2f2f2;
--Done:#17705a;--Working:#1d5bb5;--Queued:#4d5f86;--Waiting:#626b74;--Parked:#b3241c;--Missing:#8f4a00;--SetAside:#6d4a9c;
--alert:#fff;--track:#e8e8e8;color-scheme:light}}
${MARK_NAMES.map((mark) => `.${mark}{--c:var(--${mark})}`).join('')}`;

const BASE = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
font-variant-numeric:tabular-nums}
h1,h2,h3,p,ul,ol,dl,dd,figure{margin:0;padding:0}
ul,ol{list-style:none}
a{color:var(--Working)}
code{font:.88em/1.5 ui-monospace,"SF Mono",Consolas,"DejaVu Sans Mono",monospace;background:var(--soft);border:1px solid var(--line);border-radius:5px;padding:.12em .45em;overflow-wrap:anywhere}
.vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.definitions{position:absolute}
.s{width:1em;height:1em;color:var(--c);flex:none;vertical-align:-.12em;overflow:visible}
.cut{fill:none;stroke:var(--panel);stroke-width:1.9;stroke-linecap:round;stroke-linejoin:round}
.ring{fill:none;stroke:currentColor;stroke-width:1.8}.thin{fill:none;stroke:currentColor;stroke-width:1.4}
.dash{fill:none;stroke:currentColor;stroke-width:1.6;stroke-dasharray:3 2}
.mark{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round}
.hatch{stroke:var(--c);stroke-width:6.5}.dot{fill:currentColor}
small,.muted{color:var(--muted);font-size:.875rem}
main,.top{max-width:120rem;margin:0 auto;padding:0 clamp(.75rem,2vw,2rem)}
.top{display:flex;gap:1rem;align-items:baseline;justify-content:space-between;padding-block:.7rem .5rem;color:var(--muted);font-size:.9rem}
.top b{color:var(--ink);font-weight:650;letter-spacing:.01em}
.fresh{display:inline-flex;gap:.45em;align-items:center}
.fresh.Stale{color:var(--Parked);font-weight:600}
#lost{background:var(--Parked);color:var(--panel);padding:.6rem 1rem;text-align:center;font-weight:600}
#lost[hidden]{display:none}`;

const BAND = `
.tree{margin-bottom:2.25rem}
.band{background:var(--panel);border:1px solid var(--line);border-top:4px solid var(--c);border-radius:10px;padding:1.1rem 1.3rem 1.2rem;display:grid;gap:.9rem 2.5rem;grid-template-columns:minmax(0,1fr) auto;align-items:start}
.band h1{font-size:clamp(1.25rem,1.1rem + .9vw,2rem);line-height:1.2;font-weight:650;display:flex;gap:.5em;align-items:baseline;flex-wrap:wrap;overflow-wrap:anywhere}
.band h1 .tag{font-size:.8rem;font-weight:600;border:1px solid var(--c);color:var(--c);border-radius:99px;padding:.1em .7em}
.sentence{font-size:clamp(1rem,.95rem + .35vw,1.3rem);margin-top:.35rem;max-width:60ch;text-wrap:balance}
.clocks{display:flex;gap:.8rem 2.2rem;flex-wrap:wrap}
.clocks dt{color:var(--muted);font-size:.85rem}
.clocks dd{font-size:clamp(1.4rem,1.1rem + 1vw,2.2rem);line-height:1.15;font-weight:600;white-space:nowrap}
.clocks dd small{display:block;font-size:.8rem;font-weight:400;line-height:1.4;white-space:normal;max-width:24ch}
.clocks .Missed dd,.clocks .Missed dt{color:var(--Parked)}
.meter{grid-column:1/-1}
.meter svg.bar{display:block;width:100%;height:1.15rem;border-radius:4px;background:var(--track);overflow:hidden}
.seg{color:var(--c);fill:var(--c)}.seg.Working{fill:url(#hatch-Working)}.seg.Queued{fill:url(#dots)}.seg.Waiting{fill:none}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.4rem;margin-top:.55rem;font-size:.95rem}
.legend li{display:flex;gap:.45em;align-items:center}.legend b{font-weight:650}
.legend .none{opacity:.55}
.attention{background:var(--alert);border:1px solid var(--Parked);border-left-width:6px;border-radius:10px;padding:.9rem 1.2rem 1rem;margin-bottom:1.1rem}
.attention h2{font-size:1.1rem;display:flex;gap:.5em;align-items:center;color:var(--Parked);margin-bottom:.5rem}
.attention ol{display:grid;gap:.6rem 1.6rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,32rem),1fr))}
.attention li{display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 .6rem}
.attention .s{margin-top:.25em}
.attention b{overflow-wrap:anywhere}
.attention code span{display:inline-block;max-width:100%}
.attention .why{display:-webkit-box;-webkit-line-clamp:3;-webkit-box-orient:vertical;overflow:hidden;overflow-wrap:anywhere}
.attention .more{columns:18rem;margin-top:.7rem;font-size:.9rem;display:block}
.attention .more li{display:block;break-inside:avoid}`;

const TREE = `
.group{margin-top:1.1rem}
.group[data-depth="1"]{margin-left:1.5rem}.group[data-depth="2"]{margin-left:3rem}.group[data-depth="3"]{margin-left:4.5rem}
.ghead{display:flex;flex-wrap:wrap;gap:.2rem .9rem;align-items:baseline;margin-bottom:.35rem}
.ghead h2{font-size:1.1rem;font-weight:650;display:flex;gap:.45em;align-items:baseline;overflow-wrap:anywhere}
.ghead .phase{color:var(--c);font-weight:600}
.ghead .msg{flex-basis:100%;color:var(--muted);font-size:.92rem;overflow-wrap:anywhere}
.warn{color:var(--Parked);font-weight:600;flex-basis:100%}
.tier{display:grid;grid-template-columns:13.5rem minmax(0,1fr);gap:.4rem 1.2rem;background:var(--panel);border:1px solid var(--line);border-bottom:0;padding:.65rem 1.1rem}
.tier:first-of-type{border-radius:10px 10px 0 0}.tier:last-of-type{border-bottom:1px solid var(--line);border-radius:0 0 10px 10px}
.tier:only-of-type{border-radius:10px}
.thead h3{font-size:1rem;font-weight:600;display:flex;gap:.45em;align-items:center}
.thead p{color:var(--muted);font-size:.88rem}.thead .now{color:var(--c);font-weight:600}
.rows{display:grid;gap:.1rem 2rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,34rem),1fr))}
.row{display:grid;grid-template-columns:auto minmax(5rem,max-content) minmax(0,1fr) auto;gap:0 .6rem;align-items:baseline;padding:.12rem 0}
.row b{font-weight:550;overflow-wrap:anywhere}
.row .d{color:var(--muted);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.row .d.err{color:var(--Parked)}
.row time{color:var(--muted);white-space:nowrap}
.chips{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.6rem,1fr));gap:.12rem .6rem}
.chip{display:flex;gap:.4rem;align-items:center;font-size:.86rem;min-width:0;border-radius:4px;padding:.02rem .15rem}
.chip span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.chip.Parked,.chip.Missing{background:var(--c);color:var(--panel);font-weight:650}.chip.Parked .s,.chip.Missing .s{color:var(--panel)}.chip.Parked .cut{stroke:var(--Parked)}
.chip.Waiting{color:var(--muted)}
.cells{display:flex;flex-wrap:wrap;gap:4px}
.cell{width:17px;height:17px;display:grid;place-items:center}.cell .s{width:15px;height:15px}
.notes{margin-top:.45rem;font-size:.9rem;display:grid;gap:.05rem 2rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,30rem),1fr))}
.notes li{display:flex;gap:.5rem;align-items:baseline;min-width:0}
.notes .d{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:var(--muted);min-width:0}
.card{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:1rem 1.2rem;margin-top:1.2rem;overflow-x:auto}
.card h2{font-size:1.1rem;margin-bottom:.5rem}
table{border-collapse:collapse;width:100%;min-width:36rem;font-size:.92rem}
th{text-align:left;color:var(--muted);font-weight:600;font-size:.83rem;border-bottom:1px solid var(--line);padding:.2rem .9rem .3rem 0;vertical-align:bottom}
td{border-bottom:1px solid var(--soft);padding:.22rem .9rem .22rem 0;vertical-align:top;overflow-wrap:break-word}
td:first-child{min-width:10em}td.t{white-space:nowrap;min-width:0}td.n{white-space:nowrap}td.n,th.n{text-align:right}
td.g{white-space:nowrap}td .s{margin-right:.4em}
.foot{color:var(--muted);font-size:.85rem;padding-block:1.2rem 2rem}`;

const CHART = `
.chart{width:100%;overflow-x:auto}
.chart svg{display:block;width:100%;min-width:40rem;height:auto;color:var(--ink)}
.chart text{fill:var(--muted);font-size:11px;font-family:inherit}
.chart text.name{fill:var(--ink)}.chart text[data-size="9"]{font-size:9px}
.axis{stroke:var(--line);stroke-width:1}.base{stroke:var(--line);stroke-width:.6}
.bar-p{stroke:var(--c);stroke-width:.8}${MARK_NAMES.map((mark) => `.${mark} .bar-p{fill:url(#hatch-${mark})}`).join('')}
.bar-r{fill:var(--c);stroke:var(--c);stroke-width:.8}
.delay{color:var(--muted);fill:url(#dots);opacity:.7}
.dense .bar-p{fill:var(--c);fill-opacity:.3}.dense .base{display:none}.bar-p.Open{fill-opacity:.55;stroke-dasharray:4 3}.bar-p.GaveUp,.bar-p.Dropped{fill:none;stroke-dasharray:2 2}
.rto{stroke:var(--Parked);stroke-width:1.6;stroke-dasharray:6 4}.chart text.rto-t{fill:var(--Parked);font-weight:600;}
.fail{stroke:var(--Parked);stroke-width:1.6;stroke-linecap:round}
.end{color:var(--c);fill:var(--c)}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;font-size:.88rem;color:var(--muted);margin-top:.4rem}
.key svg{width:2.2em;height:.8em;vertical-align:-.05em;margin-right:.35em}`;

const MEDIA = `
@media (min-width:110rem){body{font-size:18px}.tier{grid-template-columns:15rem minmax(0,1fr)}}
@media (max-width:50rem){
.band{grid-template-columns:minmax(0,1fr);padding:.9rem 1rem}
.tier{grid-template-columns:minmax(0,1fr);padding:.6rem .8rem}
.group[data-depth]{margin-left:0}
.row{grid-template-columns:auto minmax(0,1fr) auto}.row .d{grid-column:2/-1;grid-row:2;white-space:normal}
.chips{grid-template-columns:repeat(auto-fill,minmax(8rem,1fr))}
.cells{gap:6px}.cell{width:20px;height:20px}
.clocks{gap:.6rem 1.6rem}.top{flex-wrap:wrap;gap:.1rem 1rem}
.thead p{display:inline;margin-right:.8em}}
@media print{
@page{margin:14mm 12mm}
body{font-size:10pt}
main,.top{max-width:none;padding:0}
.band,.card,.tier,.attention{box-shadow:none;break-inside:avoid}
.card.long,.tier{break-inside:auto}
table{min-width:0;font-size:7.5pt}th{font-size:7pt}td:first-child{overflow-wrap:anywhere;min-width:8em}th,td{padding-right:.4rem}td.n,td.g,td.t{white-space:normal}
.card h2,.card p{break-after:avoid}
.card{overflow:visible;border-width:0 0 0 0;border-top:1px solid var(--line);border-radius:0;padding:.8rem 0}
.chart,.chart svg{min-width:0;overflow:visible}
.chart svg{break-inside:avoid}
tr,li{break-inside:avoid}thead{display:table-header-group}
h2,h3,.thead{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
a{color:inherit;text-decoration:none}}`;

/** The whole style sheet. */
export const STYLE = `${COLOURS}${BASE}${BAND}${TREE}${CHART}${MEDIA}`.trim();
