// Words of the organisation: tree, grids, staff, dispatch rules, code tables, the map, statistics and reports by hand.
export const zhCN = {
  grid: {
    tree: '组织与网格', staff: '网格员', rules: '派遣规则', tables: '代码表',
    responsible: '责任人', why: '责任依据',
    kinds: { hub_platform: '市级枢纽平台', town: '镇街', city_department: '市直部门', key_community: '重点社区' },
    gridKinds: { urban: '城市社区网格', rural: '农村网格', dedicated: '专属网格' },
    code: '编码', name: '名称', kind: '类型', division: '区划代码', parent: '上级', grids: '网格', platform: '所属平台',
    add: '添加', save: '保存', remove: '删除', edit: '修改', removeAsk: '确定删除？此操作记入审计链。',
    addUnder: '在其下添加', moveAsk: '确认移动', choose: '在左侧选择一个平台', noGrids: '还没有网格，请导入 GeoJSON。',
    gridCount: '{count} 个网格', map: '网格地图', none: '没有记录。', codeHint: '小写字母、数字、- 或 _',
    import: {
      title: '导入网格', file: '选择 GeoJSON 文件', preview: '预览', apply: '正式导入', hint: 'WGS-84 或 CGCS2000 经纬度；有误的行略过并说明，其余一并入库。',
      counts: '新增 {added} · 变更 {changed} · 未变 {unchanged} · 略过 {left_out}', previewed: '预览结果（尚未保存）', applied: '已导入',
      row: '第 {row} 行', faults: '略过的行', findings: '网格之间的问题（{count}）', clean: '没有发现重叠、缝隙或空洞。', show: '在地图上查看',
      kinds: { overlap: '重叠', gap: '缝隙', hole: '空洞' }, close: '关闭报告',
    },
    staffOf: {
      post: '岗位', phone: '电话', duty: '值班', state: '状态', onDuty: '在岗', offDuty: '未在班', onLeave: '休假',
      standIn: '顶岗：{name}', showPhone: '查看号码', account: '账号', days: '值班日', hours: '值班时段', leaveFrom: '休假开始', leaveUntil: '休假结束',
      replacement: '顶岗人员', note: '备注', search: '姓名或账号', everyDay: '每天', allDay: '全天', phoneKept: '已登记 {phone}，留空不变', grids: '负责网格',
      importTitle: '导入名册', importHint: 'CSV 或 XLSX，列：姓名、岗位、所属平台、网格、账号、电话、值班日、值班时段、备注', importCounts: '新增 {added} · 变更 {changed} · 未变 {unchanged} · 有误 {faulty}',
      add: '添加网格员', edit: '网格员档案', untilNotice: '未定',
      posts: { grid_manager: '网格管理员', fulltime_grid_member: '专职网格员', micro_grid_informant: '微网格信息员' },
    },
    days: { 1: '周一', 2: '周二', 3: '周三', 4: '周四', 5: '周五', 6: '周六', 7: '周日' },
    rule: {
      number: '编号', class: '事件分类', place: '地点', time: '时间', department: '责任单位', staff: '人员', priority: '优先级', any: '不限', anyClass: '全部分类',
      group: '{code} 大类', places: { any: '不限地点', platform: '平台辖区', grid: '网格' }, fallback: '兜底', enabled: '启用', disabled: '已停用', gridStaff: '本网格值班人员',
      add: '添加规则', edit: '派遣规则', always: '任何时间', try: '试算：会派给谁', tryClass: '事件分类', tryGrid: '网格（可不选）', run: '试算', matched: '适用规则：{numbers}',
      noRules: '还没有派遣规则：所有事件由枢纽平台值班岗负责。请至少设一条兜底规则。', hint: '先看优先级（小者优先），再看更贴近的地点与分类；都不适用时由兜底规则负责。',
      gaps: '只有兜底负责的分类 × 网格', gapCount: '{total} / {of}', noGaps: '每个分类在每个网格都有规则负责。', always2: '始终', sometimes: '部分时段', outside: '网格外', by: { fallback: '兜底规则', hub: '枢纽值班岗' },
      fallbackHint: '兜底规则适用于全部分类和全部时间', check: '检查', owner: '规则归属', wholeName: '规则名称',
    },
    table: {
      title: '事件分类', version: '版本', clock: '计时', limit: '时限', level: '等级', condition: '立案条件', close: '结案条件', slot: '同时段核查', holidays: '已有节假日表的年份',
      imported: '已导入的表', shipped: '使用随产品提供的表。', import: '导入 JSON', importHint: '节假日表或事件分类表，整体替换；有一处错误则全部不收。', done: '已导入。', warning: '预警色', yes: '是',
      clocks: { urgent_hour: '紧急工作时', work_hour: '工作时', work_day: '工作日', natural_day: '自然日' }, kinds: { event_classes: '事件分类表', holidays: '节假日表' },
    },
  },
  mapPage: {
    open: '未结', all: '全部', days: '最近 {days} 天', points: '{count} 件', cells: '共 {count} 件，按区域汇总；放大可见单件', none: '此范围内没有事件。', title: '事件地图',
    legend: { fire: '火情', crowd: '聚集', stall: '占道', other: '其他' },
  },
  stats: {
    title: '统计', days: '最近 {days} 天', rates: '指标', numerator: '分子', denominator: '分母', formula: '公式', value: '值', byState: '事件状态', alertsByState: '预警状态', byClass: '事件分类',
    alertsByHazard: '预警种类', by: '分组', groups: { platform: '平台', department: '责任单位', grid: '网格', class: '事件分类' }, reported: '上报', closed: '办结', key: '名称', unassigned: '（无）', none: '此期间没有记录。',
    names: { closure_rate: '办结率', ontime_rate: '按期处置率', ontime_score_rate: '按期处置率（申诉豁免后）', rework_rate: '返工率', extension_rate: '延期率', false_positive_rate: '误报率' },
    formulas: {
      closure_rate: '办结 ÷（上报 − 不予受理 − 作废）', ontime_rate: '按期处置 ÷ 应处置', ontime_score_rate: '（按期处置 + 申诉通过的超时）÷ 应处置', rework_rate: '返工 ÷ 应结案', extension_rate: '延期 ÷ 应处置', false_positive_rate: '误报 ÷ 已研判',
    },
    drills: '另有演练 {count} 件，不计入。', undefined: '分母为 0',
  },
  report: {
    title: '上报事件', short: '上报', class: '事件分类', description: '情况描述', address: '地点', position: '位置', pickHint: '点击地图选取', source: '来源', sources: { desk: '值班台', phone: '电话', grid_staff: '网格员' },
    urgent: '加急', photo: '现场照片', send: '上报', needed: '请选择分类并填写情况描述。', done: '已上报，编号 {no}。', photoFailed: '事件 {no} 已上报，但照片未能上传：', at: '已选 {lng}, {lat}', clear: '清除位置', retryPhoto: '重新上传照片',
  },
}

export const en: typeof zhCN = {
  grid: {
    tree: 'Tree and grids', staff: 'Grid staff', rules: 'Dispatch rules', tables: 'Code tables',
    responsible: 'Responsible', why: 'Because of',
    kinds: { hub_platform: 'Hub', town: 'Town', city_department: 'City department', key_community: 'Key community' },
    gridKinds: { urban: 'Urban grid', rural: 'Rural grid', dedicated: 'Dedicated grid' },
    code: 'Code', name: 'Name', kind: 'Kind', division: 'Division', parent: 'Under', grids: 'Grids', platform: 'Platform',
    add: 'Add', save: 'Save', remove: 'Delete', edit: 'Change', removeAsk: 'Delete it? This goes into the audit chain.',
    addUnder: 'Add below', moveAsk: 'Confirm the move', choose: 'Choose a platform on the left', noGrids: 'There are no grids yet: import GeoJSON.',
    gridCount: '{count} grids', map: 'Map of the grids', none: 'There are no records.', codeHint: 'Small letters, digits, - or _',
    import: {
      title: 'Import grids', file: 'Choose a GeoJSON file', preview: 'Preview', apply: 'Import', hint: 'Degrees of WGS-84 or CGCS2000. Faulty rows are left out and named; the rest goes in together.',
      counts: '{added} added · {changed} changed · {unchanged} unchanged · {left_out} left out', previewed: 'Preview (nothing kept yet)', applied: 'Imported',
      row: 'Row {row}', faults: 'Rows left out', findings: 'Faults between grids ({count})', clean: 'No overlap, gap or hole was found.', show: 'Show on the map',
      kinds: { overlap: 'Overlap', gap: 'Gap', hole: 'Hole' }, close: 'Close the report',
    },
    staffOf: {
      post: 'Post', phone: 'Phone', duty: 'Duty', state: 'State', onDuty: 'On duty', offDuty: 'Off duty', onLeave: 'On leave',
      standIn: 'Stands in: {name}', showPhone: 'Show the number', account: 'Account', days: 'Days', hours: 'Hours', leaveFrom: 'Leave from', leaveUntil: 'Leave until',
      replacement: 'Who stands in', note: 'Note', search: 'Name or account', everyDay: 'Every day', allDay: 'All day', phoneKept: '{phone} is on record; empty: it stays', grids: 'Grids',
      importTitle: 'Import a sheet', importHint: 'CSV or XLSX with the columns 姓名, 岗位, 所属平台, 网格, 账号, 电话, 值班日, 值班时段, 备注 (or name, post, platform, grids, username, phone, days, hours, note)', importCounts: '{added} added · {changed} changed · {unchanged} unchanged · {faulty} faulty',
      add: 'Add staff', edit: 'Record', untilNotice: 'until further notice',
      posts: { grid_manager: 'Grid manager', fulltime_grid_member: 'Full-time grid member', micro_grid_informant: 'Micro-grid informant' },
    },
    days: { 1: 'Mon', 2: 'Tue', 3: 'Wed', 4: 'Thu', 5: 'Fri', 6: 'Sat', 7: 'Sun' },
    rule: {
      number: 'No.', class: 'Class', place: 'Place', time: 'Time', department: 'Department', staff: 'Person', priority: 'Priority', any: 'Any', anyClass: 'Every class',
      group: 'Group {code}', places: { any: 'Anywhere', platform: 'Area of a platform', grid: 'Grid' }, fallback: 'Fallback', enabled: 'In force', disabled: 'Off', gridStaff: 'Grid’s own staff on duty',
      add: 'Add a rule', edit: 'Dispatch rule', always: 'At any time', try: 'Who would get it?', tryClass: 'Class', tryGrid: 'Grid (optional)', run: 'Try', matched: 'Rules that fit: {numbers}',
      noRules: 'There are no rules yet: the hub’s duty post is responsible for every event. Set at least a fallback.', hint: 'The smaller priority comes first, then the closer place and class; where none fits, the fallback.',
      gaps: 'Classes × grids that only a fallback serves', gapCount: '{total} of {of}', noGaps: 'A rule serves every class in every grid.', always2: 'always', sometimes: 'at times', outside: 'outside grids', by: { fallback: 'fallback', hub: 'hub’s duty post' },
      fallbackHint: 'A fallback is for every class and at all times', check: 'Check', owner: 'Owner', wholeName: 'Rule name',
    },
    table: {
      title: 'Event classes', version: 'Version', clock: 'Clock', limit: 'Limit', level: 'Level', condition: 'Registered when', close: 'Closed when', slot: 'Same slot', holidays: 'Years with a holiday table',
      imported: 'Imported tables', shipped: 'The shipped tables are in force.', import: 'Import JSON', importHint: 'A holiday table or a table of classes, replaced as a whole; with one fault nothing is taken.', done: 'Imported.', warning: 'Colour', yes: 'yes',
      clocks: { urgent_hour: 'urgent hours', work_hour: 'working hours', work_day: 'working days', natural_day: 'days' }, kinds: { event_classes: 'Event classes', holidays: 'Holidays' },
    },
  },
  mapPage: {
    open: 'Open', all: 'All', days: 'Last {days} days', points: '{count} events', cells: '{count} events, counted by area; zoom in to see each', none: 'There are no events here.', title: 'Map of events',
    legend: { fire: 'Fire', crowd: 'Crowd', stall: 'Stall', other: 'Other' },
  },
  stats: {
    title: 'Statistics', days: 'Last {days} days', rates: 'Rates', numerator: 'Numerator', denominator: 'Denominator', formula: 'Formula', value: 'Value', byState: 'Events by state', alertsByState: 'Alerts by state', byClass: 'Events by class',
    alertsByHazard: 'Alerts by hazard', by: 'By', groups: { platform: 'Platform', department: 'Department', grid: 'Grid', class: 'Class' }, reported: 'Reported', closed: 'Closed', key: 'Name', unassigned: '(none)', none: 'Nothing in this period.',
    names: { closure_rate: 'Closure rate', ontime_rate: 'On-time rate', ontime_score_rate: 'On-time rate after appeals', rework_rate: 'Rework rate', extension_rate: 'Extension rate', false_positive_rate: 'False-positive rate' },
    formulas: {
      closure_rate: 'closed ÷ (reported − not accepted − cancelled)', ontime_rate: 'handled in time ÷ due to be handled', ontime_score_rate: '(in time + late with an approved appeal) ÷ due', rework_rate: 'reworked ÷ due to be closed', extension_rate: 'extended ÷ due to be handled', false_positive_rate: 'false ÷ assessed',
    },
    drills: '{count} of drills are left out.', undefined: 'denominator is 0',
  },
  report: {
    title: 'Report an event', short: 'Report', class: 'Class', description: 'What was seen', address: 'Address', position: 'Position', pickHint: 'Click the map', source: 'Source', sources: { desk: 'Duty desk', phone: 'Phone', grid_staff: 'Grid staff' },
    urgent: 'Urgent', photo: 'Photograph', send: 'Report', needed: 'Choose a class and say what was seen.', done: 'Reported as {no}.', photoFailed: 'Event {no} is reported, but its photograph was not taken:', at: 'at {lng}, {lat}', clear: 'Clear the position', retryPhoto: 'Send the photograph again',
  },
}
