/// list_class and video_info, and the page that plays a video.
extension IntakeService {
    func listClass(_ call: Call) throws(Failure) -> Reply {
        call.format.classes(try recording(catalogue.classes()), call.settings)
    }

    func videoInfo(_ call: Call) throws(Failure) -> Reply {
        guard let id = try videoID(readForm(call)) else {
            throw .malformed("video_id", .positive)
        }
        guard let video = try recording(catalogue.video(id: id, owner: call.owner)) else {
            return call.format.noVideo
        }
        return call.format.info(video)
    }

    /// Lets nginx send the page, which asks for the rest, or its page for HTTP 404.
    func playPage(_ call: Call) throws(Failure) -> Reply {
        guard let id = try videoID(readForm(call)),
            try recording(catalogue.video(id: id, owner: call.owner)) != nil
        else { throw .noSuchVideo }
        return Reply(
            code: 1, message: "ok", header: ("X-Accel-Redirect", "/play/index.html"),
            contentType: "text/html; charset=utf-8")
    }

    private func videoID(_ form: RequestForm) throws(Failure) -> Int64? {
        try form.text("video_id").flatMap(decimalNumber).flatMap { $0 > 0 ? Int64($0) : nil }
    }
}
