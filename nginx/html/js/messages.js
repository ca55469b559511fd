const chinese = {
    uploadTitle: '上传视频',
    uploadIntro: '支持 {types} 格式，每个文件不超过 {size}，一次最多 {count} 个。中断后重新选择同一文件，即可继续上传。',
    choose: '选择视频文件',
    orDrop: '或将文件拖到此处',
    listTitle: '视频列表',
    selectAll: '全选',
    selectRow: '选择 {file}',
    columnName: '视频名称',
    columnSize: '大小',
    columnClass: '分类',
    columnState: '状态和进度',
    columnActions: '操作',
    nameOf: '{file} 的名称',
    classOf: '{file} 的分类',
    progressOf: '{file} 的上传进度',
    noClass: '无分类',
    view: '查看',
    viewFile: '查看 {file}',
    remove: '删除',
    removeFile: '删除 {file}',
    retry: '重试',
    retryFile: '重试 {file}',
    deleteSelected: '批量删除',
    countUnit: '个视频',
    totalSize: '共',
    start: '开始上传',
    pause: '暂停上传',
    continue: '继续上传',
    nameMissing: '请填写名称',
    reading: '正在读取 {percent}',
    readingNext: '等待读取',
    waiting: '待上传',
    inTurn: '等待上传',
    paused: '已暂停',
    asking: '正在检查',
    uploading: '正在上传 {percent}',
    confirming: '正在校验',
    lost: '连接中断，正在重试',
    delayDisk: '服务器磁盘空间不足，有空间后自动继续',
    delayQuota: '未完成的上传过多，稍后自动继续',
    delayLength: '服务器收到的数据长度有误，正在重试',
    login: '请重新登录',
    loginNotice: '登录已失效，请在另一个标签页中重新登录。登录后本页会自动继续，无需重新选择文件。',
    loginBack: '已重新登录',
    speed: '{speed}/秒',
    timeLeft: '剩余 {time}',
    exists: '视频已存在',
    done: '上传成功',
    failedBecause: '上传失败：{reason}',
    serverSaid: '服务器消息：{said}',
    removed: '已删除 {file}',
    announce: '{file}：{state}',
    allEnded: '上传结束：{done} 个成功，{failed} 个失败',
    closeMessages: '关闭提示',
    existsTitle: '视频已存在',
    existsIntro: '以下视频已经上传过，无需再次上传。',
    game: '所在游戏：{game}',
    uploadTime: '上传时间：{time}',
    noGame: '无',
    close: '关闭',
    comma: '、',
    refusedType: '“{file}”不是 {types} 格式的视频',
    refusedSize: '“{file}”超过 {size}',
    refusedEmpty: '“{file}”是空文件',
    refusedCount: '“{file}”未添加：一次最多上传 {count} 个视频',
    refusedTwice: '“{file}”已在列表中',
    classesFailed: '分类加载失败，可以先不选分类上传。',
    problemDisk: '服务器磁盘空间不足，请稍后重试或联系管理员',
    problemLimit: '服务器不接受这么大的请求，请联系管理员',
    problemMD5: '文件在上传过程中被修改或损坏，请重试',
    problemExtension: '服务器只接受 {types} 格式的视频',
    problemContainer: '文件内容不是服务器能识别的视频',
    problemQuota: '未完成的上传过多，请等其他文件上传完成后重试',
    problemExpired: '未完成的上传已被服务器删除（长时间没有进展，或需为其他上传腾出空间），请重试',
    problemLength: '服务器收到的数据长度有误，可能在途中被截断，请重试',
    problemRecord: '服务器未能保存视频信息，请重试',
    problemRequest: '服务器不接受此请求',
    problemForbidden: '没有上传权限',
    problemOrigin: '服务器不允许来自该网站的上传，请联系管理员',
    problemAddress: '服务器上没有上传接口，请联系管理员',
    problemFile: '无法读取文件：文件已被修改、移动或删除，请删除此行后重新选择',
    problemReading: '读取文件失败，请重试',
    problemUnconfirmed: '服务器没有确认上传结果，请重试',
    playTitle: '播放视频',
    toUpload: '上传视频',
    loading: '正在加载',
    infoName: '名称',
    infoSize: '大小',
    infoDuration: '时长',
    infoResolution: '分辨率',
    infoCategory: '分类',
    infoTime: '上传时间',
    infoMD5: 'MD5',
    infoState: '状态',
    copyMD5: '复制',
    copied: '已复制',
    copyFailed: '已选中，请按 Ctrl+C 复制',
    unknown: '未知',
    none: '无',
    download: '下载原视频',
    stateStored: '已保存',
    stateQueued: '等待处理',
    stateRunning: '正在处理',
    stateReady: '可以播放',
    stateFailed: '处理失败',
    processingFailed: '处理失败：{reason}',
    noticeProcessing: '视频正在处理中，完成后会自动更新。',
    noticeFailed: '视频处理失败。{reason}可以播放或下载原视频。',
    noticeFailedAgain: '再次处理失败。{reason}之前的处理结果可以播放。',
    noticeFailedUnplayable: '视频处理失败。{reason}浏览器也不能播放这种格式（{type}）的视频，请下载原视频后用播放器观看。',
    noticeUnplayable: '浏览器不能播放这种格式（{type}）的视频，请下载后用播放器观看。',
    noticeUnplayableYet: '浏览器不能播放这种格式（{type}）的视频，处理完成后即可在此播放。',
    noticeDamaged: '浏览器无法播放此视频，请重试，或下载后用播放器观看。',
    noticeDamagedYet: '浏览器无法播放原视频，处理完成后即可在此播放。',
    noticeMissing: '没有这个视频，可能已被删除，或者链接有误。',
    noticeUnavailable: '服务暂时不可用，正在重试。',
    noticeLogin: '请先登录，登录后本页会自动继续。',
    noticeForbidden: '没有权限查看此视频。',
    noticeFailedDamaged: '视频处理失败。{reason}浏览器也无法播放原视频，可以下载后用播放器打开。',
    newVersion: '播放处理后的版本',
    progressProcessing: '处理进度',
    seekBar: '带预览图的播放进度',
    positionOf: '{position}，共 {duration}',
    'failure.nothing-plays': '文件中没有可以播放的内容：文件已损坏，或不是视频。请重新导出，或上传另一份。',
    'failure.no-index': '文件缺少索引：录制没有正常结束，或文件没有复制完整。请重新导出或复制。',
    'failure.no-picture': '文件中没有画面。',
    'failure.unknown-codec': '服务器无法识别画面的编码格式。请导出为 H.264 编码的 MP4。',
    'failure.encrypted': '视频已加密。请上传未加密的文件。',
    'failure.too-much': '视频太长，或画面太大，无法处理。',
    'failure.time-limit': '处理时间超过了限制。',
    'failure.memory-limit': '处理所需的内存超过了服务器的限制。',
    'failure.no-space': '服务器没有足够的空间保存处理结果。',
    'failure.tool-failed': '处理视频的程序出错。',
    'failure.worker-died': '处理多次中断。',
    'failure.cancelled': '处理已被取消。',
    'failure.internal': '服务器出错。',
    'flaw.truncated': '文件在视频中途结束，已有的部分可以播放。',
    'flaw.damaged': '视频有一部分已损坏，其余部分可以播放。',
};

const english = {
    uploadTitle: 'Upload videos',
    uploadIntro:
        '{types}: up to {size} each and {count} at a time. If an upload is interrupted, choose the same file again '
        + 'and it continues.',
    choose: 'Choose videos',
    orDrop: 'or drop them here',
    listTitle: 'Videos',
    selectAll: 'Select all',
    selectRow: 'Select {file}',
    columnName: 'Name',
    columnSize: 'Size',
    columnClass: 'Category',
    columnState: 'State and progress',
    columnActions: 'Actions',
    nameOf: 'Name of {file}',
    classOf: 'Category of {file}',
    progressOf: 'Upload progress of {file}',
    noClass: 'No category',
    view: 'View',
    viewFile: 'View {file}',
    remove: 'Delete',
    removeFile: 'Delete {file}',
    retry: 'Retry',
    retryFile: 'Retry {file}',
    deleteSelected: 'Delete selected',
    countUnit: { one: 'video', other: 'videos' },
    totalSize: 'total',
    start: 'Start upload',
    pause: 'Pause upload',
    continue: 'Continue upload',
    nameMissing: 'Enter a name',
    reading: 'Reading {percent}',
    readingNext: 'To be read',
    waiting: 'Ready to upload',
    inTurn: 'Waiting for its turn',
    paused: 'Paused',
    asking: 'Checking',
    uploading: 'Uploading {percent}',
    confirming: 'Being verified',
    lost: 'Connection lost, retrying',
    delayDisk: "The server's disk is full; continues when there is room",
    delayQuota: 'Too many unfinished uploads; continues later',
    delayLength: 'Data arrived with a wrong length, retrying',
    login: 'Log in again',
    loginNotice:
        'Your login has ended. Log in again in another tab: this page then goes on by itself, and no file needs to be '
        + 'chosen again.',
    loginBack: 'Logged in again',
    speed: '{speed}/s',
    timeLeft: '{time} left',
    exists: 'Already exists',
    done: 'Uploaded',
    failedBecause: 'Upload failed: {reason}',
    serverSaid: 'Server: {said}',
    removed: '{file} removed',
    announce: '{file}: {state}',
    allEnded: 'Uploads ended: {done} succeeded, {failed} failed',
    closeMessages: 'Close messages',
    existsTitle: 'Already exists',
    existsIntro: 'These videos have been uploaded before; there is no need to upload them again.',
    game: 'Game: {game}',
    uploadTime: 'Uploaded: {time}',
    noGame: 'none',
    close: 'Close',
    comma: ', ',
    refusedType: '“{file}” is not a video of a kind that can be uploaded ({types})',
    refusedSize: '“{file}” is larger than {size}',
    refusedEmpty: '“{file}” is empty',
    refusedCount: '“{file}” was not added: at most {count} videos at a time',
    refusedTwice: '“{file}” is already in the list',
    classesFailed: 'The categories could not be loaded. You can upload without one.',
    problemDisk: "The server's disk is full; try again later, or ask its administrator",
    problemLimit: 'The server does not accept requests this large; ask its administrator',
    problemMD5: 'The file changed during the upload or was damaged; try again',
    problemExtension: 'The server takes videos of these kinds only: {types}',
    problemContainer: 'The content is not a video that the server can recognise',
    problemQuota: 'Too many unfinished uploads; let the others finish, then try again',
    problemExpired:
        'The server has removed the unfinished upload: it made no progress for long, or others needed the room. Try '
        + 'again',
    problemLength: 'Data arrived with a wrong length; it may have been cut on the way. Try again',
    problemRecord: "The server could not save the video's record; try again",
    problemRequest: 'The server does not accept this request',
    problemForbidden: 'You have no permission to upload',
    problemOrigin: 'The server does not allow uploads from this site; ask its administrator',
    problemAddress: 'The server has no address for uploads; ask its administrator',
    problemFile: 'The file cannot be read: it was changed, moved or deleted. Delete this row and choose it again',
    problemReading: 'Reading the file failed; try again',
    problemUnconfirmed: 'The server did not confirm the upload; try again',
    playTitle: 'Video',
    toUpload: 'Upload videos',
    loading: 'Loading',
    infoName: 'Name',
    infoSize: 'Size',
    infoDuration: 'Duration',
    infoResolution: 'Resolution',
    infoCategory: 'Category',
    infoTime: 'Uploaded',
    infoMD5: 'MD5',
    infoState: 'State',
    copyMD5: 'Copy',
    copied: 'Copied',
    copyFailed: 'Selected: press Ctrl+C to copy',
    unknown: 'unknown',
    none: 'none',
    download: 'Download the original',
    stateStored: 'Stored',
    stateQueued: 'Waiting to be processed',
    stateRunning: 'Being processed',
    stateReady: 'Ready to play',
    stateFailed: 'Processing failed',
    processingFailed: 'Processing failed: {reason}',
    noticeProcessing: 'The video is being processed. This page updates itself when that is done.',
    noticeFailed: 'Processing failed. {reason} You can play or download the original.',
    noticeFailedAgain: 'It was processed again, and that failed. {reason} What was made before plays.',
    noticeFailedUnplayable:
        'Processing failed. {reason} Browsers cannot play this format ({type}) either. Download the original and open it in '
        + 'a player.',
    noticeUnplayable: 'Browsers cannot play this format ({type}). Download the video and open it in a player.',
    noticeUnplayableYet: 'Browsers cannot play this format ({type}). It will play here once it has been processed.',
    noticeDamaged: 'The browser cannot play this video. Try again, or download it and open it in a player.',
    noticeDamagedYet: 'The browser cannot play the original. The video will play here once it has been processed.',
    noticeMissing: 'There is no such video. It may have been deleted, or the link is wrong.',
    noticeUnavailable: 'The service is not available at the moment. Trying again.',
    noticeLogin: 'Log in first. This page then goes on by itself.',
    noticeForbidden: 'You have no permission to see this video.',
    noticeFailedDamaged:
        'Processing failed. {reason} The browser cannot play the original either. Try again, or download it and open it in '
        + 'a player.',
    newVersion: 'Play the processed version',
    progressProcessing: 'Processing progress',
    seekBar: 'Seek with preview pictures',
    positionOf: '{position} of {duration}',
    'failure.nothing-plays': 'Nothing in the file can be played: it is damaged, or no video. Export it again, or upload another copy.',
    'failure.no-index':
        'The index of the file is missing: the recording was not finished, or the file was not copied whole. Export or copy it again.',
    'failure.no-picture': 'There is no picture in the file.',
    'failure.unknown-codec': 'The picture is of a kind that the server does not know. Export it as MP4 with H.264.',
    'failure.encrypted': 'The video is encrypted. Upload it without protection.',
    'failure.too-much': 'The video is too long, or its picture too large, to be processed.',
    'failure.time-limit': 'Processing took longer than it may.',
    'failure.memory-limit': 'Processing needs more memory than the server has for it.',
    'failure.no-space': 'The server had no room for the result.',
    'failure.tool-failed': 'A program that processes videos has failed.',
    'failure.worker-died': 'Processing was interrupted again and again.',
    'failure.cancelled': 'Processing was cancelled.',
    'failure.internal': 'The server has had an error.',
    'flaw.truncated': 'The file ends in the middle of the video; what there is of it plays.',
    'flaw.damaged': 'Parts of the video are damaged; the rest plays.',
};

function preferredLanguage() {
    const wanted = new URLSearchParams(location.search).get('lang');
    if (wanted === 'zh' || wanted === 'en') return wanted;
    return navigator.languages.find((name) => /^(zh|en)\b/i.test(name))?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

/** `zh` or `en`: what `?lang=` says, else the first of the two among the browser's languages, else English. */
export const language = preferredLanguage();

/** The BCP 47 tag for Intl and for `<html lang>`. */
export const locale = language === 'zh' ? 'zh-CN' : 'en';

const messages = language === 'zh' ? chinese : english;
const plurals = new Intl.PluralRules(locale);

/**
 * A text in the user's language.
 *
 * @param {string} key name of the message
 * @param {Object<string, string|number>} [values] what takes the place of `{name}`; `count` chooses the plural form
 * @returns {string}
 */
export function text(key, values = {}) {
    const message = messages[key];
    const form = typeof message === 'string' ? message : message[plurals.select(values.count)] ?? message.other;
    return form.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/**
 * Why a video could not be processed.
 *
 * @param {?string} failure the server's name for it
 * @returns {string} a sentence
 */
export function failureText(failure) {
    return text(`failure.${failure}` in messages ? `failure.${failure}` : 'failure.internal');
}

/**
 * What is wrong with a video that plays.
 *
 * @param {?string[]} flaws the server's names for it; those that this page does not know are left out
 * @returns {string} sentences, empty without a flaw
 */
export function flawsText(flaws) {
    const keys = (flaws ?? []).map((flaw) => `flaw.${flaw}`).filter((key) => key in messages);
    return keys.map((key) => text(key)).join(language === 'zh' ? '' : ' ');
}

/**
 * Sets the texts of all elements with `data-text` and the labels of those with `data-label` below an element.
 *
 * @param {ParentNode} root
 */
export function applyTexts(root) {
    for (const element of root.querySelectorAll('[data-text]')) element.textContent = text(element.dataset.text);
    for (const element of root.querySelectorAll('[data-label]')) {
        element.setAttribute('aria-label', text(element.dataset.label));
    }
}
