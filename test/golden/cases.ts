// Logs worth recording: each shows one part of the fold's meaning. Names become files under test/golden/<fold version>/.
export const GOLDEN_CASES: Readonly<Record<string, string>> = {
  viewing: `
    0s      attempt@0 context.title=Intro context.durationMs=60000 context.country=DE context.browser=Firefox |
    400ms   playing@0 , quality@0 bitrateBps:1000000 |
    5s      heartbeat@4600                 |
    8s      pause@7600                     |
    12s     playing@7600                   |
    15s     seek@30000 fromMs:10600 toMs:30000 |
    15.5s   playing@30000                  |
    18s     stall_start@32500              |
    19s     stall_end@32500                |
    20s     rate@33500 rateMilli:2000      |
    25s     quality@43500 bitrateBps:3000000 |
    30s     custom@53500 name:like text:{"stars":5} | custom like
    33s     ended@59500                    |
    34s     leave@59500                    |
    50s                                    | sealed leave
  `,
  disorder: `
    0s   playing@0#0                  |
    2s   heartbeat@2000#2             |
    3s   heartbeat@1000#1 at:1000     |
    4s   heartbeat@1000#1 at:1000     |
    5s   heartbeat@5000#5             |
    25s  heartbeat@3000#3 at:3000     |
    26s  heartbeat@3001#3 at:3000     |
    27s  reject#7                     | dead bad_event
    28s  heartbeat@28000#6            |
    30s  leave@30000#8                |
    60s                               | sealed leave
    61s  heartbeat@2000#2 at:2000     |
    62s  heartbeat@61000#9            |
    32m                               | sealed idle ; sealed idle
  `,
  doors: `
    0s   playing@0#- session=mave protocol=mave video=clip |
    4s   pause@4000#- session=mave protocol=mave video=clip |
    9s   playing@20000#- session=mave protocol=mave video=clip |
    20s  playing@0#- session=tube protocol=peertube clock=none |
    25s  heartbeat@5000#- session=tube protocol=peertube clock=none |
    30s  heartbeat@60000#- session=tube protocol=peertube clock=none |
    35s  heartbeat@64000#- session=tube protocol=peertube clock=none |
    40s  close_all                    | sealed closed session=mave ; sealed closed session=tube
  `,
  overtaken: `
    1s    playing@0#- at:0 session=mave protocol=mave      |
    6s    playing@9000#- at:5500 session=mave protocol=mave |
    6.2s  pause@5000#- at:5000 session=mave protocol=mave  |
    9s    pause@12500#- at:9000 session=mave protocol=mave |
    9.1s  pause@12500#- at:9000 session=mave protocol=mave |
    20s   custom@12500#- at:14000 name:like text:{"stars":5} session=mave protocol=mave |
    21s   playing@12500#- at:13000 session=mave protocol=mave |
    22s   close_all                                        | custom like ; sealed closed
    23s   playing@12500#- at:13000 session=mave protocol=mave | duplicate 1
  `,
  failures: `
    0s   attempt@0 session=a                       |
    2s   error code:drm flag:1 session=a           |
    3s   attempt@0 session=b                       |
    5s   leave@0 session=b                         |
    6s   playing@0 session=c                       |
    9s   error@3000 code:net flag:1 session=c      |
    10s  unknown session=c                         | dead unknown_event
    11s  playing@0 session=c key=demo/zed          | dead wrong_key
    20s                                            | sealed leave session=b
    25s  set idleGapMs=60000 site=demo             |
    40s  set graceMs=-1                            | dead bad_control
    80s  close_all                                 | sealed idle session=a ; sealed idle session=c
  `,
  visits: `
    0s    protocol=ga video= context.source=news context.meta={"cd1":"a"} custom#- code:2026-11-22/page///s1/n0 name:pageview | custom pageview
    20s   protocol=ga video= context.meta={"cd1":"b","cd2":"c"} custom#- code:2026-11-22/event//ni//n1 name:event | custom event
    30s   protocol=ga video=film playing#- name:2026-11-22/event////n2    |
    60s   protocol=ga video=film pause@30000#- name:2026-11-22/event////n3 |
    70s   protocol=ga video= custom#- code:2026-11-23/event////n4 name:event | custom event
    80s   protocol=ga video= custom#- code:2026-11-23/page////n5 name:pageview | custom pageview
    85s   protocol=ga video= custom#- at:40000 code:2026-11-22/event////n6 name:event | sealed leave ; custom event
    90s   protocol=ga video= custom#- code:2026-11-23/page///s2/n7 name:pageview | custom pageview
    95s   protocol=ga video= custom#- code:2026-11-23/event/end///n8 name:event | sealed leave ; sealed leave ; custom event
    40m                                                                   | sealed leave ; sealed idle
  `,
};
