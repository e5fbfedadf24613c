import TerapiCore
