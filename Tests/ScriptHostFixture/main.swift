import TerapiScripts

ScriptHostProcess.main()
