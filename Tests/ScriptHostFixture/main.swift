import TerapiScripts

switch CommandLine.arguments.dropFirst().first {
case "check-cage": CageCheck.main(CommandLine.arguments.dropFirst(2))
case "report": HostReport.main()
default: ScriptHostProcess.main()
}
