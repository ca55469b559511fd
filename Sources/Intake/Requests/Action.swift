/// What a request asks for. The raw value is what it is counted and logged as.
enum Action: String, CaseIterable, Sendable {
    case uploadFile = "upload_file"
    case determineVideoExist = "determine_video_exist"
    case determineChunkExist = "determine_chunk_exist"
    case listClass = "list_class"
    case videoInfo = "video_info"
    case play
    case healthz
    case metrics
    /// No address of ours.
    case other

    init(_ exchange: any Exchange) {
        // The address as the client sent it: an application behind a front controller has another `SCRIPT_NAME`.
        let uri = exchange.parameter("REQUEST_URI") ?? exchange.parameter("DOCUMENT_URI") ?? ""
        self =
            switch uri.utf8.firstIndex(of: UInt8(ascii: "?")).map({ String(uri[..<$0]) }) ?? uri {
            case "/service/upload/upload_file", "/service/upload/ssl_upload_file": .uploadFile
            case "/service/upload/determine_video_exist": .determineVideoExist
            case "/service/upload/determine_chunk_exist": .determineChunkExist
            case "/service/upload/list_class": .listClass
            case "/service/upload/video_info": .videoInfo
            case "/play/": .play
            case "/healthz": .healthz
            case "/metrics": .metrics
            default: .other
            }
    }

    /// The methods that it takes.
    var methods: [String] {
        switch self {
        case .play, .healthz, .metrics: ["GET", "HEAD"]
        default: ["POST"]
        }
    }
}
