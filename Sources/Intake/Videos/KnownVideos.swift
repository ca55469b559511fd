import Model
import Catalogue
import Dispatch
import LoadingCache

/// What determine_video_exist asks for again and again: the owner's video with some content, or that there is none.
///
/// The catalogue is the truth. That there is a video is remembered for as long as there is room, because videos keep
/// their content, and looked up again in the background from time to time for what may change, like its class. That
/// there is none is forgotten after `cacheTime`, because another process may have stored it, and at once when this one
/// has. Thread-safe.
final class KnownVideos: Sendable {
    /// What a request asks for.
    private struct Content: Hashable {
        let owner: ExactText
        let md5: String
        /// Bytes; `nil` where only the digest is known.
        let size: Int?
    }

    /// There is no such video.
    private struct Absent: Error {}

    /// Bytes, about.
    private static let weightLimit = 16 * 1024 * 1024
    private static let absentLimit = 16_384
    /// Bytes that both take at most, about.
    static let memoryLimit = weightLimit + absentLimit * (entryWeight + RequestForm.textLimit)
    /// Bytes that an entry takes besides its text.
    private static let entryWeight = 400

    private let videos: LoadingCache<Content, Video>
    private let absent: Cache<Content, Bool>

    /// - Parameter cacheTime: how long it may be said that there is no video, and how old what is said of one may be.
    init(_ catalogue: Catalogue, cacheTime: Duration, ticker: Ticker) {
        let load = { @Sendable (content: Content) throws -> Video in
            let (owner, md5, size) = (content.owner.text, content.md5, content.size)
            guard let video = try catalogue.video(owner: owner, md5: md5, size: size) else { throw Absent() }
            return video
        }
        let queue = DispatchQueue(label: "known-videos")
        do {
            videos = try LoadingCache(
                CacheConfiguration(
                    bound: .maximumWeight(Self.weightLimit) { content, video in
                        Self.entryWeight + content.owner.text.utf8.count + video.name.utf8.count + video.path.utf8.count
                    }, recordsStatistics: true, ticker: ticker,
                    // A reload that fails is tried again; the catalogue's errors reach the callers that wait.
                    failureHandler: { _ in }),
                refresh: RefreshPolicy(after: cacheTime, retryAfterFailure: cacheTime),
                loader: CacheLoader(
                    reload: .asynchronous { content, _, completion in
                        queue.async { completion(Result { try load(content) }) }
                    }, load: load))
            absent = Cache(
                try CacheConfiguration(
                    bound: .maximumSize(Self.absentLimit), expireAfterWrite: cacheTime, recordsStatistics: true,
                    ticker: ticker))
        } catch {
            preconditionFailure("a cache time above zero and constant bounds: \(error)")
        }
    }

    /// The owner's first video with this content, `nil` if there is none.
    ///
    /// - Parameter size: bytes; `nil` where only the digest is known.
    func video(owner: String, md5: String, size: Int?) throws(CatalogueError) -> Video? {
        let content = Content(owner: ExactText(owner), md5: md5, size: size)
        do {
            let isAbsent = try absent.get(content) {
                do {
                    _ = try videos.get(content)
                    return false
                } catch is Absent {
                    return true
                }
            }
            return isAbsent ? nil : try videos.get(content)
        } catch is Absent {
            return nil
        } catch let error as CatalogueError {
            throw error
        } catch {
            throw CatalogueError(.failed, "\(error)")
        }
    }

    /// A video was recorded, or its record has changed or is gone: the next request sees it.
    func noteRecorded(_ video: Video) {
        for size in [nil, video.size] {
            let content = Content(owner: ExactText(video.owner), md5: video.md5, size: size)
            videos.invalidate(content)
            absent.invalidate(content)
        }
    }

    /// What each of its caches has counted.
    var statistics: [(name: String, statistics: CacheStatistics)] {
        [("videos", videos.statistics), ("absent", absent.statistics)]
    }
}
