import Model

extension Catalogue {
    /// How much there is of everything, at one moment; cheap, whatever there is.
    package func figures() throws(CatalogueError) -> CatalogueFigures { try read { try $0.figures() } }

    /// Records what keeps the tools of the worker in that starts now: `SandboxWalls.code`.
    package func noteWorkerWalls(_ code: Int) throws(CatalogueError) {
        try write { try $0.set(.workerWalls, Int64(code)) }
    }

    /// Records when `check` was run, and how many findings it did not repair.
    package func noteCheck(findings: Int, now: Int64) throws(CatalogueError) {
        try deleting { rows in
            try rows.set(.checkTime, now)
            try rows.set(.checkFindings, Int64(findings))
        }
    }

    /// Records a worker's heartbeat; forgets workers whose last one is more than `WorkerHeartbeat.lifetime` seconds ago, or
    /// ahead.
    package func noteWorker(_ name: String, _ capacity: WorkerCapacity = WorkerCapacity(), now: Int64)
        throws(CatalogueError)
    {
        try write { rows in
            try rows.setWorker(WorkerHeartbeat(name: name, time: now, capacity: capacity))
            try rows.deleteWorkers(outside: now - WorkerHeartbeat.lifetime...now + WorkerHeartbeat.lifetime)
        }
    }

    /// Forgets a worker that has ended.
    package func forgetWorker(_ name: String) throws(CatalogueError) { try deleting { try $0.deleteWorker(name) } }

    package func classes() throws(CatalogueError) -> [VideoClass] { try read { try $0.classes() } }

    /// Returns the new class's number. Throws if the game has a class of this name.
    package func addClass(name: String, game: String) throws(CatalogueError) -> Int64 {
        try driver.adding(durably: true) { rows in
            // What is thrown here takes no number.
            guard let id = try rows.insertClass(name: name, game: game) else {
                throw CatalogueError(.failed, "there is a category \"\(name)\" of \"\(game)\" already")
            }
            return id
        }
    }

    /// Returns whether there was such a class. Its videos stay, without a class.
    package func removeClass(_ id: Int64) throws(CatalogueError) -> Bool {
        try driver.deleting(durably: true) { try $0.deleteClass(id: id) }
    }
}
