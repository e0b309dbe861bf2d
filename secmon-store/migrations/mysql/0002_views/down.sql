-- There is no way back from here.
DO 0;
