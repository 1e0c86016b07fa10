// Words of how cameras are watched and rules are tried; English is typed by the Chinese.
export const zhCN = {
  watching: {
    title: '识别运行情况',
    rate: '每秒分析 {done} 次（要求 {asked}）',
    leftOut: '近一分钟 {share}% 的画面未被分析',
    delay: '延迟 {seconds} 秒',
    alerts: '近 30 天预警 {count} 条',
    false: '误报 {wrong} / 已研判 {judged}',
    suppressed: '{by} 判为误报，抑制至 {until}',
    inThisView: '仅在当前视角',
    atPreset: '仅在预置位 {preset}',
    heldBack: '已拦下 {count} 次',
    undo: '撤销抑制',
  },
  trial: {
    title: '规则试运行',
    why: '布防前用录像检验：哪些时刻会产生预警',
    choose: '选择录像…',
    again: '再试一次',
    running: '已分析 {seconds} 秒',
    done: '录像 {seconds} 秒，分析 {looks} 次，将产生预警 {alerts} 条',
    stretch: '{from}–{to} 秒，达到 {share}%',
    second: '第 {at} 秒',
    alert: '{hazard}（{zone}）：第 {at} 秒产生预警，自第 {since} 秒可见',
  },
}

export const en: typeof zhCN = {
  watching: {
    title: 'How it is watched',
    rate: '{done} looks a second (asked: {asked})',
    leftOut: '{share}% of the last minute’s pictures were not looked at',
    delay: '{seconds} s late',
    alerts: '{count} alerts in 30 days',
    false: '{wrong} of {judged} judged were false',
    suppressed: 'rejected by {by}, suppressed until {until}',
    inThisView: 'in this view alone',
    atPreset: 'at preset {preset} alone',
    heldBack: 'held back {count} times',
    undo: 'Take back',
  },
  trial: {
    title: 'Try the rules',
    why: 'on recorded footage before they are armed: when would they have raised an alert',
    choose: 'Choose a film…',
    again: 'Try again',
    running: '{seconds} s gone through',
    done: '{seconds} s of film, {looks} looks; alerts that would have been raised: {alerts}',
    stretch: '{from}–{to} s, {share}% of the way',
    second: '{at} s',
    alert: '{hazard} ({zone}): raised at {at} s, seen from {since} s on',
  },
}
