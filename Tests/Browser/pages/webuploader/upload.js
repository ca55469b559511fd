/*
 * What an upload page that was written around WebUploader does. Each row of the list tells the tests how its file fares:
 * data-state (reading, waiting, uploading, success, exists, failed), data-reason, data-reply (the code of uploadSuccess's reply),
 * data-progress, and the link to the video. What webuploader-resume.js adds to uploadError: data-status, data-why.
 */
jQuery(function ($) {
    var md5s = {},
        threads = (/[?&]threads=(\d+)/.exec(location.search) || [0, 3])[1],
        chunk = (/[?&]chunk=(\d+)/.exec(location.search) || [0, 2])[1],
        service = decodeURIComponent((/[?&]host=([^&]+)/.exec(location.search) || [0, ''])[1]) + '/service/upload/',
        isLoginNeeded = /[?&]login\b/.test(location.search),
        uploader = WebUploader.create({
            server: service + 'upload_file',
            withCredentials: isLoginNeeded,
            formData: {
                file_id: 'file',
                guid: new Date().getTime() + Math.ceil(Math.random() * 100),
                file_name: ''
            },
            pick: { id: '#choose', innerHTML: '+添加视频文件' },
            accept: { title: 'Videos', extensions: 'mp4,avi,flv', mimeTypes: 'video/*' },
            resize: false,
            chunked: true,
            chunkSize: chunk * 1024 * 1024,
            threads: Number(threads),
            fileSingleSizeLimit: 2 * 1024 * 1024 * 1024
        });

    window.uploader = uploader;

    function row(file) {
        return $('#' + file.id);
    }

    function show(file, state) {
        row(file).attr('data-state', state).find('.state').text(state);
    }

    function link(file, videoID) {
        row(file).find('a').attr('href', '/play/?video_id=' + videoID);
    }

    // 0.1.2 has no md5File; the new upload page has one.
    function md5File(file) {
        return import('/js/md5-file.js').then(function (module) {
            return module.md5File(file.source.getSource());
        });
    }

    uploader.on('fileQueued', function (file) {
        $('#list').append($('<tr><td><input class="name"></td><td class="state"></td><td><a>查看</a></td></tr>')
            .attr({ id: file.id, 'data-name': file.name }));
        row(file).find('.name').val(file.name);
        show(file, 'reading');
        md5File(file).then(function (md5) {
            md5s[file.id] = md5;
            show(file, 'waiting');
        });
    });

    uploader.on('uploadStart', function (file) {
        show(file, 'uploading');
        $.ajax({
            type: 'POST', url: service + 'determine_video_exist', data: { md5: md5s[file.id], type: 1 }, dataType: 'json',
            xhrFields: isLoginNeeded ? { withCredentials: true } : {}
        }).done(function (reply) {
            uploader.upload(file);
            if (reply.code === 1) {
                uploader.skipFile(file);
                show(file, 'exists');
                link(file, reply.data.video_id);
            } else if (reply.code <= 0) {
                row(file).attr('data-reason', reply.msg);
            }
        });
    });

    uploader.on('uploadBeforeSend', function (block, data) {
        data.md5 = md5s[block.file.id];
        data.file_name = row(block.file).find('.name').val();
        data.guid = data.guid + data.id.replace(/[^0-9]+/g, '');
    });

    uploader.on('uploadProgress', function (file, fraction) {
        row(file).attr('data-progress', Math.round(fraction * 100));
    });

    uploader.on('uploadSuccess', function (file, reply) {
        row(file).attr('data-reply', reply.code);
        if (reply.code === 1) {
            show(file, 'success');
            link(file, reply.data.video_id);
        } else if (reply.code === 2) {
            show(file, 'exists');
            link(file, reply.data.video_id);
        } else {
            show(file, 'failed');
            row(file).attr('data-reason', reply.msg);
        }
    });

    uploader.on('uploadError', function (file, reason, said) {
        show(file, 'failed');
        row(file).attr('data-reason', reason);
        if (said) {
            row(file).attr({ 'data-status': said.status, 'data-why': said.reason });
        }
    });

    uploader.on('uploadFinished', function () {
        $('body').attr('data-finished', 'true');
    });

    $('#start').on('click', function () {
        uploader.upload();
    });
    $('#stop').on('click', function () {
        uploader.stop(true);
    });
});
