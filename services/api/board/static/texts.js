// All words of the pages in both languages. Metrics bring their own names from the catalogue.

const TEXTS = {
  en: {
    board_title: "Live service board", key_figures: "Key figures", team: "Team", channel: "Channel", all: "All",
    show_all: "Show all", connecting: "Connecting…", sign_out: "Sign out", sign_in: "Sign in", api_key: "API key",
    wrong_key: "This key is not valid.", other_language: "中文", goal: "Goal", worse: "missed", met_goal: "on goal",
    last_minutes: "last {n} min", last_hour: "last hour", open_now: "Open now", open_cases: "cases",
    longest_wait: "Longest wait now", waiting_now: "Waiting for a human",
    clocks_running: "Clocks running", clocks_paused: "Clocks paused", clocks_overdue: "Overdue, still open",
    compliance_by_clock: "SLA compliance by clock, rolling 15 min", compliance_by_channel: "SLA compliance by channel, rolling 15 min",
    compliance_table: "SLA compliance by clock and channel, last 15 min", at_risk: "About to breach", overdue: "Overdue, last 15 min",
    nothing_at_risk: "No clock runs out in the next 15 minutes.", nothing_overdue: "Nothing overdue.",
    remaining: "Left", case: "Case", clock: "Clock", priority: "Level", due: "Due", late: "Late", overall: "All",
    as_of: "Data as of {t}", behind: "{n} behind", stale: "Data is {n} old", lost: "Connection lost, data as of {t}",
    never: "The stream has not delivered anything yet", trouble: "No fresh data: {d}", none: "none", goal_line: "Goal",
    running: "running", paused: "paused", met: "met", breached: "breached", cancelled: "cancelled", back: "← Board",
    clocks: "Clocks", history: "History", state: "State", target: "Target", elapsed: "Elapsed", started: "Started",
    stopped: "Stopped", policy: "Policy", not_found: "There is no such case.", agent_id: "Agent", customer_tier: "Tier",
    category: "Category", queue: "Queue", customer_id: "Customer", left_short: "{n} left", late_short: "{n} late",
    of_ended: "{n} ended, {r} running", source: "Source", no_data: "no data",
    waterfall: "Who had it", step_started: "starts", step_restarted: "starts anew", step_paused: "paused", step_resumed: "goes on",
    step_retargeted: "has a new target", step_warned: "warns", step_breached: "breached", step_met: "met", step_late: "done, too late",
    step_cancelled: "cancelled", step_withdrawn: "withdrawn", time_passed: "Time passed", held_queue: "Queue", held_bot: "Bot",
    held_agent: "Agent", held_team: "Team", held_customer: "Customer", held_third_party: "Third party", held_closed: "Closed hours",
    pause_customer: "customer", pause_third_party: "third party", pause_internal: "internal",
    policy_refused: "The new policy is refused, the one before stays in force: {d}",
  },
  zh: {
    board_title: "实时服务看板", key_figures: "关键指标", team: "团队", channel: "渠道", all: "全部",
    show_all: "显示全部", connecting: "正在连接…", sign_out: "退出", sign_in: "登录", api_key: "API 密钥",
    wrong_key: "密钥无效。", other_language: "English", goal: "目标", worse: "未达目标", met_goal: "达标",
    last_minutes: "近 {n} 分钟", last_hour: "近 1 小时", open_now: "当前未结", open_cases: "件",
    longest_wait: "当前最长等待", waiting_now: "等待人工",
    clocks_running: "计时中", clocks_paused: "已暂停", clocks_overdue: "已超时未结束",
    compliance_by_clock: "各时效达标率（滚动 15 分钟）", compliance_by_channel: "各渠道达标率（滚动 15 分钟）",
    compliance_table: "时效 × 渠道达标率（近 15 分钟）", at_risk: "即将超时", overdue: "已超时（近 15 分钟）",
    nothing_at_risk: "未来 15 分钟内没有即将超时的计时。", nothing_overdue: "没有超时。",
    remaining: "剩余", case: "工单", clock: "时效", priority: "级别", due: "截止", late: "已超", overall: "合计",
    as_of: "数据截至 {t}", behind: "延迟 {n}", stale: "数据已过时 {n}", lost: "连接中断，数据截至 {t}",
    never: "数据流尚未送达任何内容", trouble: "暂无新数据：{d}", none: "无", goal_line: "目标",
    running: "计时中", paused: "已暂停", met: "达标", breached: "超时", cancelled: "已取消", back: "← 看板",
    clocks: "时效", history: "经过", state: "状态", target: "目标", elapsed: "用时", started: "开始",
    stopped: "结束", policy: "策略", not_found: "没有这个工单。", agent_id: "坐席", customer_tier: "客户等级",
    category: "类别", queue: "队列", customer_id: "客户", left_short: "剩 {n}", late_short: "超 {n}",
    of_ended: "结束 {n}，计时中 {r}", source: "来源", no_data: "暂无数据",
    waterfall: "时间归属", step_started: "开始计时", step_restarted: "重新计时", step_paused: "暂停", step_resumed: "恢复计时",
    step_retargeted: "目标变更", step_warned: "预警", step_breached: "超时", step_met: "达标", step_late: "超时后完成",
    step_cancelled: "取消", step_withdrawn: "撤回", time_passed: "时间到", held_queue: "排队", held_bot: "机器人",
    held_agent: "坐席", held_team: "团队", held_customer: "客户", held_third_party: "第三方", held_closed: "非服务时间",
    pause_customer: "等客户", pause_third_party: "等第三方", pause_internal: "内部处理",
    policy_refused: "新策略被拒绝，仍按原策略执行：{d}",
  },
};

const NAMES = {
  clock: {
    connect: ["Connect", "接入人工"], first_response: ["First response", "首次响应"],
    next_response: ["Next response", "后续响应"], resolution: ["Resolution", "解决"],
    complaint_ack: ["Complaint ack.", "投诉确认"], complaint_feedback: ["Complaint feedback", "投诉反馈"],
    callback: ["Call-back", "承诺回电"], update: ["Progress update", "进展通报"],
    bot_response: ["Bot response", "机器人应答"], diagnosis: ["Diagnosis", "初步诊断"],
    temporary_solution: ["Temporary solution", "临时方案"], complaint_solution: ["Complaint solution", "投诉解决"],
    escalation_answer: ["Escalation answered", "升级答复"],
  },
  channel: {
    phone: ["Phone", "电话"], chat: ["Chat", "在线聊天"], app: ["App", "App"], web: ["Web", "网站"],
    mini_program: ["Mini program", "小程序"], email: ["Email", "邮件"], social: ["Social", "社交媒体"],
    store: ["Store", "门店"], video: ["Video", "视频"], sms: ["SMS", "短信"], other: ["Other", "其他"],
  },
  type: {
    "contact.opened": ["Opened", "进线"], "contact.queued": ["Queued", "排队"], "contact.connected": ["Connected", "接通"],
    "contact.abandoned": ["Abandoned", "放弃"], "message.customer": ["Customer wrote", "客户消息"],
    "message.agent": ["Agent wrote", "坐席消息"], "message.bot": ["Bot wrote", "机器人消息"],
    "message.internal": ["Internal note", "内部备注"], "contact.transferred": ["Transferred", "转接"],
    "contact.pending": ["Waiting", "挂起"], "contact.resumed": ["Resumed", "恢复"], "contact.updated": ["Updated", "更新"],
    "contact.resolved": ["Resolved", "已解决"], "contact.reopened": ["Reopened", "重开"], "contact.closed": ["Closed", "关闭"],
    "complaint.filed": ["Complaint filed", "投诉"], "complaint.acknowledged": ["Complaint acknowledged", "投诉已确认"],
    "complaint.feedback_given": ["Complaint answered", "投诉已反馈"], "milestone.reached": ["Milestone reached", "到达节点"],
    "callback.promised": ["Call-back promised", "承诺回电"], "callback.made": ["Call-back made", "已回电"],
    "call.wrapped": ["Call wrapped up", "通话结束"], "survey.submitted": ["Survey", "评价"],
    "sentiment.scored": ["Sentiment", "情绪评分"], "followup.verified": ["Follow-up", "回访"],
    "quality.audited": ["Quality audit", "质检"],
  },
};

const COOKIE = "contactpulse_lang";
let listeners = [];

/** "en" or "zh", as the page's language says. */
export function language() {
  return document.documentElement.lang.startsWith("zh") ? "zh" : "en";
}

/** A text with its {places} filled. */
export function text(key, places = {}) {
  return TEXTS[language()][key].replace(/\{(\w)\}/g, (_, name) => places[name]);
}

/** What a clock, channel or event type is called; one we do not know keeps its own name. */
export function nameOf(kind, id) {
  if (id === null || id === undefined || id === "") return text("none");
  const known = Object.hasOwn(NAMES[kind], id) ? NAMES[kind][id] : null;
  return known ? known[language() === "zh" ? 1 : 0] : id;
}

/** Calls `render` now and whenever the language changes; fills every [data-text] of the page before. */
export function onLanguage(render) {
  listeners.push(render);
  fill();
  render();
}

function fill() {
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  const button = document.getElementById("language");
  button.textContent = text("other_language");
  button.lang = language() === "zh" ? "en" : "zh-CN";
}

/** Makes the language button work. */
export function installLanguageButton() {
  document.getElementById("language").addEventListener("click", () => {
    document.documentElement.lang = language() === "zh" ? "en" : "zh-CN";
    document.cookie = `${COOKIE}=${language()}; path=/; max-age=31536000; samesite=strict`;
    fill();
    for (const render of listeners) render();
  });
}
