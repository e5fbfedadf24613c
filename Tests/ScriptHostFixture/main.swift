import TerapiScripts

switch CommandLine.arguments.dropFirst().first {
case "check-cage": CageCheck.main(CommandLine.arguments.dropFirst(2))
case "report": HostReport.main()
case "figures": await Figures.main(Array(CommandLine.arguments.dropFirst(2)))
default: ScriptHostProcess.main()
}
