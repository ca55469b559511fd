/**
 * Resumed uploads for pages that use Baidu WebUploader 0.1.2 – 0.1.8: chunks that the server already has are not sent again.
 *
 *     <script src="webuploader.js"></script>
 *     <script src="webuploader-resume.js"></script>
 *     <script src="upload.js"></script>                            <!-- calls WebUploader.create() -->
 *
 * A page that puts `md5` into the form in `uploadBeforeSend` needs nothing else. What changes for it:
 *
 * - determine_chunk_exist is asked once per file, before its first chunk, and again after stop() or an error. A server that does not
 *   know it, or does not answer, gets every chunk.
 * - HTTP 200 with code -2 is retried, up to `chunkRetry` times, as WebUploader does with HTTP 409. Any other negative code fails the
 *   file; uploadError gets its msg.
 * - A chunk that gets HTTP 409 is sent again after a pause, which grows. For the reason `disk-full` (and `quota`) that is done eight
 *   times more, in two minutes, before `chunkRetry` counts.
 * - Where the server has removed the unfinished upload, reason `expired`, the file starts afresh by itself, once. Of that the page hears
 *   no more than another uploadComplete and uploadStart. The second time it fails.
 * - HTTP 400, 401, 403, 404, 405 and 413 fail the file at once: WebUploader would send the chunk twice more, and get the same. uploadError
 *   gets the reply's msg ('HTTP 404' without one) and the reply, with `status`, `code`, `msg` and `reason`: after the reason 'login' the
 *   page can have the user log in and call uploader.retry(file), which sends what is missing. So it is with the last HTTP 409.
 * - uploadSuccess gets the reply with code 1 and data.video_id, whichever reply came last, and if the last chunk was skipped. If there
 *   is none, determine_video_exist is asked. A file that the server does not have whole fails with the reason `incomplete`;
 *   uploader.retry(file) then sends what is missing.
 *
 * What it cannot change: after a pause, stop(true), WebUploader 0.1.2 – 0.1.4 forget the chunks that were under way, all but one. Such a
 * file does not end until the page is reloaded and the file chosen again; then only missing chunks are sent. 0.1.5 and newer go on.
 *
 * A page on another host sets `withCredentials: true` in WebUploader.create() if there is a login; the questions then do so too.
 *
 * uploadBeforeSend is triggered once more for every question, because its handlers know the md5; their other fields and headers, a
 * token for example, go with the question too. Options, all of them optional, before or after create():
 *
 *     WebUploaderResume.configure({
 *         server: '/service/upload/',       // where the questions go, up to their names. Default: next to the uploader's `server`
 *         md5: function (file) { … },       // the md5, or a promise of it, if the page does not send one. It is added to the form.
 *                                           // Default: file.md5, else uploader.md5File(file), which 0.1.2 does not have
 *         parameters: { … },                // more fields for the questions; or a function (file) that returns them
 *         timeout: 10000,                   // milliseconds for a question
 *         incomplete: '…'                   // the reason described above
 *     });
 *
 * With the md5 worker of the new upload page: md5: function (file) {
 *     return import('/js/md5-file.js').then(function (module) { return module.md5File(file.source.getSource()); }); }
 */
(function (WebUploader) {
    'use strict';

    var Base = WebUploader.Base || WebUploader,
        extend = Base.$.extend,
        settings = { server: null, md5: null, parameters: null, timeout: 10000, incomplete: '服务器尚未收到全部分片,请重试' },
        // A file whose chunks the server has may take so long to become a video: milliseconds, and how many times.
        pollInterval = 500,
        pollLimit = 20,
        // HTTP statuses of requests that would get the same again.
        finalStatuses = [400, 401, 403, 404, 405, 413],
        // Milliseconds before a chunk is sent again that got HTTP 409: the first one, and the longest; and how many such pauses a want of
        // room may last.
        firstPause = 1000,
        longestPause = 30000,
        pauseLimit = 8;

    window.WebUploaderResume = { configure: function (options) { extend(settings, options); } };

    // covers('0-11,14', 3, 5): whether the chunks from `first` to `last` are all in one of the ranges.
    function covers(received, first, last) {
        return received.split(',').some(function (range) {
            var ends = range.split('-');
            return range !== '' && Number(ends[0]) <= first && last <= Number(ends[ends.length - 1]);
        });
    }

    // What the server said: the JSON object of the body if it is one, with `status`, `reason`, and `msg` in any case.
    function replyOf(request) {
        var reply;
        try {
            reply = JSON.parse(request.responseText);
        } catch (error) { /* not one of our replies */ }
        return extend({ msg: 'HTTP ' + request.status }, reply, {
            status: request.status, reason: request.getResponseHeader('X-Intake-Reason') || ''
        });
    }

    function isFinal(status) {
        return finalStatuses.indexOf(status) >= 0;
    }

    // Promise of the reply, null if there is none or it is an error, the HTTP status, and what the server said. It is never rejected.
    function post(address, fields, headers, options) {
        var request = new XMLHttpRequest(), form = new FormData(), deferred = Base.Deferred(), name;
        request.open('POST', address);
        request.withCredentials = !!options.withCredentials;
        request.timeout = settings.timeout;
        for (name in headers) {
            request.setRequestHeader(name, headers[name]);
        }
        for (name in fields) {
            form.append(name, fields[name]);
        }
        request.onloadend = function () {
            var said = replyOf(request), isReply = request.status >= 200 && request.status < 300 && typeof said.code === 'number';
            deferred.resolve(isReply ? said : null, request.status, said);
        };
        request.send(form);
        return deferred.promise();
    }

    WebUploader.Uploader.register({
        name: 'resume',
        'before-send-file': 'beforeSendFile',
        'before-send': 'beforeSend',
        'after-send-file': 'afterSendFile'
    }, {
        init: function () {
            var me = this, owner = me.owner, trigger = owner.trigger;

            // By file id: `received`, a promise of the chunks that the server has; `md5`; `reply`, the one with code 1; `videoID`;
            // `failure`, what the server said last.
            me.files = {};
            // By file id, until the file ends well or the page tries it again: how often it was started afresh.
            me.renewals = {};

            owner.on('uploadAccept', me._accept, me);
            owner.on('stopUpload', function () {
                for (var id in me.files) {
                    me.files[id].received = null;
                }
            });
            owner.on('uploadComplete uploadSkip fileDequeued', function (file) {
                delete me.files[file.id];
            });
            owner.on('uploadSuccess uploadSkip fileDequeued', function (file) {
                delete me.renewals[file.id];
            });

            // What uploadSuccess gets is a variable inside WebUploader that no hook can set; and the md5 is added after all handlers.
            owner.trigger = function (type, subject, data) {
                var all = [].slice.call(arguments), result;
                if (type === 'uploadSuccess') {
                    all[2] = me._state(subject).reply || data;
                }
                if (type === 'uploadError') {
                    if (me._renews(subject)) {
                        return true;
                    }
                    all[3] = me._state(subject).failure;
                    delete me.renewals[subject.id];
                }
                result = trigger.apply(this, all);
                if (type === 'uploadComplete' && subject.renewing) {
                    subject.renewing = false;
                    owner.retry(subject);
                }
                if (type === 'uploadBeforeSend') {
                    data.md5 = data.md5 || me._state(subject.file).md5;
                    if (subject.transport) {
                        me._watch(subject, subject.transport);
                    }
                }
                return result;
            };
        },

        // -- Hooks of WebUploader --

        beforeSendFile: function (file) {
            this.files[file.id] = {};
        },

        // Rejected: the chunk is skipped.
        beforeSend: function (block) {
            var me = this, file = block.file, deferred = Base.Deferred();
            if (block.chunks < 2) {
                return undefined;
            }

            function ask() {
                (file.getStatus() === 'progress' ? me._received(block) : Base.when('')).done(decide);
            }

            function decide(received) {
                var status = file.getStatus();
                if (block.resuming !== deferred) {
                    return; // the chunk was put back and has been asked for again
                }
                if (status === 'interrupt' || status === 'queued') {
                    // WebUploader would drop the chunk now.
                    file.on('statuschange', function changed() {
                        file.off('statuschange', changed);
                        ask();
                    });
                } else if (status === 'progress' && covers(received, block.chunk, block.chunk)) {
                    deferred.reject();
                } else {
                    deferred.resolve();
                }
            }

            block.resuming = deferred;
            ask();
            return deferred.promise();
        },

        // Rejected: the file fails.
        afterSendFile: function (file, reply) {
            var me = this, state = me._state(file), deferred = Base.Deferred(), total = file.size,
                size = me.options.chunked && me.options.chunkSize || total,
                block = { file: file, start: 0, end: Math.min(size, total), total: total, chunks: Math.ceil(total / size), chunk: 0 };
            if (state.reply || reply && reply.code !== 2) {
                return undefined;
            }

            function attempt(left) {
                me._ask('determine_video_exist', block, { type: 1 }).done(function (found, status, said) {
                    if (found && found.code === 1 && found.data) {
                        extend(found.data, { id: file.id, video_id: state.videoID || found.data.video_id });
                        state.reply = found;
                        deferred.resolve();
                    } else if (reply && status === 404) {
                        deferred.resolve();
                    } else if (isFinal(status) && status !== 404) {
                        state.failure = said;
                        deferred.reject(said.msg);
                    } else if (left === 0) {
                        deferred.reject(found ? settings.incomplete : 'http');
                    } else {
                        me._ask('determine_chunk_exist', block).done(function (answer) {
                            if (answer && answer.code === 1 && !covers(answer.data.received, 0, block.chunks - 1)) {
                                deferred.reject(settings.incomplete);
                            } else {
                                setTimeout(function () { attempt(left - 1); }, pollInterval);
                            }
                        });
                    }
                });
            }

            attempt(pollLimit);
            return deferred.promise();
        },

        // -- Replies and questions --

        _state: function (file) {
            return this.files[file.id] || (this.files[file.id] = {});
        },

        // Whether the file that has just failed starts afresh: it does when WebUploader has ended its other requests (uploadComplete).
        _renews: function (file) {
            var failure = this._state(file).failure;
            file.renewing = !!failure && failure.reason === 'expired' && !this.renewals[file.id];
            if (file.renewing) {
                this.renewals[file.id] = 1;
            }
            return file.renewing;
        },

        // false: WebUploader takes the reply as an error, with the reason that `reject` got. It retries chunks after 'http'.
        _accept: function (block, reply, reject) {
            var state = this._state(block.file), data = reply.data || {};
            if (reply.code === 1 && data.video_id) {
                state.reply = reply;
            } else if (reply.code === 2) {
                state.videoID = data.video_id;
            } else if (reply.code < 0) {
                reject(reply.code === -2 && block.chunks > 1 && (block.retried || 0) < this.options.chunkRetry ?
                    'http' : reply.msg || String(reply.code));
                return false;
            }
            return undefined;
        },

        // Sees to it that a chunk which would be refused again is not sent again, or only after a pause, and that the page hears what the
        // server said. WebUploader itself keeps no reply with an HTTP status below 500, tells the page `http`, and tries again at once.
        _watch: function (block, transport) {
            var me = this, exec = transport.exec, trigger = transport.trigger, pauses = 0, pause = 0, timer, request;

            transport.exec = function (action) {
                var native = window.XMLHttpRequest, all = arguments, wait = pause;
                clearTimeout(timer);
                if (action !== 'send') {
                    return exec.apply(this, arguments);
                }
                pause = 0;
                if (wait > 0) {
                    // Half of it by chance, so that many pages do not come back at the same moment.
                    timer = setTimeout(function () { transport.exec.apply(transport, all); }, wait * (0.5 + Math.random() / 2));
                    return this;
                }
                // The one that is made in this call.
                window.XMLHttpRequest = function () { return request = new native(); };
                try {
                    return exec.apply(this, arguments);
                } finally {
                    window.XMLHttpRequest = native;
                }
            };

            transport.trigger = function (type) {
                var all = [].slice.call(arguments), status = request ? request.status : 0, said,
                    isLast = block.chunks < 2 || (block.retried || 0) >= me.options.chunkRetry;
                if (type === 'error' && status > 0) {
                    said = me._state(block.file).failure = replyOf(request);
                    if (status === 409) {
                        pause = Math.min(longestPause, firstPause * Math.pow(2, pauses));
                        pauses += 1;
                        if ((said.reason === 'disk-full' || said.reason === 'quota') && block.chunks > 1 && pauses <= pauseLimit) {
                            // WebUploader adds one, and counts from there.
                            block.retried = -1;
                            isLast = false;
                        }
                    }
                    if (isFinal(status) || status === 409 && isLast) {
                        all[1] = said.msg;
                    }
                }
                return trigger.apply(this, all);
            };
        },

        // Promise of the chunks that the server has: '0-11,14', or '' if it has none or does not say.
        _received: function (block) {
            var state = this._state(block.file), deferred;
            if (!state.received) {
                deferred = Base.Deferred();
                state.received = deferred.promise();
                this._ask('determine_chunk_exist', block).done(function (reply) {
                    deferred.resolve(reply && reply.code === 1 && reply.data && reply.data.received || '');
                });
            }
            return state.received;
        },

        // Like post(). The fields are those that the page would send with the chunk.
        _ask: function (action, block, more) {
            var owner = this.owner, options = this.options, file = block.file, state = this._state(file), deferred = Base.Deferred(),
                fields = extend({}, options.formData, { id: file.id, name: file.name, type: file.type, size: file.size }),
                headers = extend({}, options.headers),
                server = settings.server === null ? options.server.replace(/[^\/?#]*([?#].*)?$/, '') : settings.server,
                md5;

            function send(value) {
                state.md5 = value;
                extend(fields, { md5: value, chunks: block.chunks, chunk_size: options.chunkSize },
                    typeof settings.parameters === 'function' ? settings.parameters(file) : settings.parameters, more);
                // `chunk` would ask about that one only, file_name would make a new record of the video.
                delete fields.chunk;
                delete fields.file_name;
                post(server + action, fields, headers, options).done(deferred.resolve);
            }

            owner.trigger('uploadBeforeSend', block, fields, headers);
            md5 = state.md5 || settings.md5 && settings.md5(file) || fields.md5 || file.md5 || owner.md5File && owner.md5File(file);
            if (md5 && md5.then) {
                md5.then(send, function () { deferred.resolve(null, 0); });
            } else if (md5) {
                send(md5);
            } else {
                deferred.resolve(null, 0);
            }
            return deferred.promise();
        }
    });
}(window.WebUploader));
