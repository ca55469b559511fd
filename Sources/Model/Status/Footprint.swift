/// What a driver of the catalogue or the store takes of the machine at most.
package struct Footprint: Sendable {
    package let descriptors: Int
    /// Bytes.
    package let memory: Int

    package init(descriptors: Int = 0, memory: Int = 0) {
        self.descriptors = descriptors
        self.memory = memory
    }
}
