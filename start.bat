@echo off
rem Double-click to open LocalChat. The first time, this installs what is needed.
setlocal
chcp 65001 >nul
cd /d "%~dp0"
where py >nul 2>nul && (set "PYTHON=py -3") || (set "PYTHON=python")
%PYTHON% --version >nul 2>nul
if errorlevel 1 (
    echo LocalChat needs Python 3.11 or newer. Get it from https://www.python.org/downloads/
    pause
    exit /b 1
)
%PYTHON% start.py %*
if errorlevel 1 pause
