"""The look of a run's page: colours for light and dark screens, by role.

Called by `report_page.py`. A family of faults has one hue wherever it appears, and never without
its name beside it; the two latencies are two shades of one hue.
"""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--page:#f5f4f0;--card:#fcfcfb;--ink:#0b0b0b;--soft:#52514e;
--faint:#76746f;--grid:#e4e3dc;--edge:#dbdad3;--rate:#b9c3cf;--p50:#1c5cab;--p99:#6da7ec;
--good:#0b7a2b;--weak:#9a6200;--bad:#c22f2e;--process:#e34948;--power:#4a3aa7;--disk:#eb6834;
--network:#12916a;--pause:#c98500;--clock:#d55181;--client:#3f7d20}
@media (prefers-color-scheme:dark){:root{--page:#111110;--card:#1a1a19;--ink:#fff;--soft:#c3c2b7;
--faint:#98968f;--grid:#2c2c2a;--edge:#33332f;--rate:#4a5766;--p50:#6da7ec;--p99:#2a66ad;
--good:#3fbf62;--weak:#e0a12c;--bad:#f26664;--process:#e66767;--power:#9085e9;--disk:#e07a45;
--network:#22b07f;--pause:#d8a028;--clock:#dd6f97;--client:#77b052}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1200px;margin:0 auto;padding:28px 20px 60px}
header p{max-width:76ch;color:var(--soft);margin:6px 0 0}
.over{font-size:13px;color:var(--faint)}
h1{font-size:30px;line-height:1.2;margin:4px 0 10px;font-weight:650;letter-spacing:-.01em}
h2{font-size:18px;margin:0 0 2px;font-weight:650}
h3{font-size:13px;margin:16px 0 2px;color:var(--soft);font-weight:600}
section p{margin:0 0 10px;color:var(--soft);max-width:80ch;font-size:14px}
section{background:var(--card);border:1px solid var(--edge);border-radius:10px;
padding:18px 20px;margin-top:18px}
.sign{display:inline-grid;place-items:center;width:34px;height:34px;border-radius:50%;
color:var(--card);font-size:20px;margin-right:12px;vertical-align:3px}
.sign.good{background:var(--good)}.sign.weak{background:var(--weak)}.sign.bad{background:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:14px}
.tile b{display:block;font-size:26px;font-weight:650;line-height:1.2}
.tile span{color:var(--soft);font-size:13px}
.pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:18px}
@media (max-width:900px){.pair{grid-template-columns:minmax(0,1fr);gap:0}}
.wide,.tall{overflow:auto}.wide svg{min-width:820px}.tall{max-height:330px}
svg{display:block;width:100%;height:auto}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
td,th{text-align:left;padding:3px 14px 3px 0;border-bottom:1px solid var(--grid);
vertical-align:top}
th{color:var(--soft);font-weight:600;position:sticky;top:0;background:var(--card)}
.small{width:auto}.facts td:first-child{color:var(--soft);white-space:nowrap}
.list td{white-space:nowrap}.list td:last-child{white-space:normal}
.tall td:first-child{white-space:nowrap}.tall td:last-child,.small td:last-child{text-align:right}
code{font:13px ui-monospace,SFMono-Regular,Menlo,monospace}
summary{cursor:pointer;color:var(--soft);font-size:14px;margin-top:6px}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px}
.key{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
i.p50,circle.p50{background:var(--p50);fill:var(--p50)}
i.p99,circle.p99{background:var(--p99);fill:var(--p99)}
svg text{font-size:11px;fill:var(--faint);font-family:inherit}
svg .label{fill:var(--soft)}svg .name{fill:var(--ink);font-size:11.5px}
svg .strong{fill:var(--ink);font-weight:600}
svg .halo{paint-order:stroke;stroke:var(--card);stroke-width:4px}
.grid{stroke:var(--grid);stroke-width:1}.mark{stroke:var(--soft);stroke-width:1}
.rate{fill:var(--rate)}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.line.p50{stroke:var(--p50)}.line.p99{stroke:var(--p99)}
.band{opacity:.13}.lead{fill:none;stroke-width:1.2}
.f-process{fill:var(--process);background:var(--process)}path.f-process{stroke:var(--process)}
.f-power{fill:var(--power);background:var(--power)}path.f-power{stroke:var(--power)}
.f-disk{fill:var(--disk);background:var(--disk)}path.f-disk{stroke:var(--disk)}
.f-network{fill:var(--network);background:var(--network)}path.f-network{stroke:var(--network)}
.f-pause{fill:var(--pause);background:var(--pause)}path.f-pause{stroke:var(--pause)}
.f-clock{fill:var(--clock);background:var(--clock)}path.f-clock{stroke:var(--clock)}
.f-client{fill:var(--client);background:var(--client)}path.f-client{stroke:var(--client)}
path.lead{fill:none}
"""
