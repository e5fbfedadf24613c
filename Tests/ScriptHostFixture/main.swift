import TerapiScripts

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

switch CommandLine.arguments.dropFirst().first {
case "check-cage": CageCheck.main(CommandLine.arguments.dropFirst(2))
case "report": HostReport.main()
case "clearing-script-host":
    // The engine collects garbage at every third allocation that leaves its fast path.
    setenv("JSC_slowPathAllocsBetweenGCs", "3", 1)
    ScriptHostProcess.main()
default: ScriptHostProcess.main()
}
