@_exported import class IntakeService.Locked
