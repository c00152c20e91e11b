"""The page that the issue asks about, in small."""

TASK_SENTENCE = (
    "Task decomposition can be done (1) by LLM with simple prompting like "
    '"Steps for XYZ.\\n1.", "What are the subgoals for achieving XYZ?", '
    '(2) by using task-specific instructions; e.g. "Write a story outline." '
    "for writing a novel, or (3) with human inputs."
)
TASK_PAGE = f"""<html><head><title>LLM Powered Autonomous Agents</title></head><body><article>
<h1>LLM Powered Autonomous Agents</h1>
<p>Building agents with a large language model as the core controller is a cool concept.</p>
<h2 id="planning">Component One: Planning</h2>
<p>A complicated task usually involves many steps. An agent needs to know what they are.</p>
<h3 id="task-decomposition">Task Decomposition</h3>
<p>Chain of thought has become a standard technique for hard tasks. It makes big tasks small.</p>
<p>Tree of Thoughts explores several reasoning possibilities at each step.</p>
<p>{TASK_SENTENCE}</p>
<h3 id="self-reflection">Self-Reflection</h3>
<p>Self-reflection lets agents improve by refining past decisions and correcting mistakes.</p>
<h2>Memory</h2><p>Memory is how information is acquired, stored, kept and found again.</p>
</article></body></html>"""
