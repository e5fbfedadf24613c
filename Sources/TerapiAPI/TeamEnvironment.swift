import TerapiCore

/// A team's environment; Hummingbird calls the process's variables `Environment`.
typealias TeamEnvironment = TerapiCore.Environment
