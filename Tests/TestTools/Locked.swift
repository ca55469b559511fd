@_exported import class System.Locked
